using System.CommandLine;
using MlNetTransfer.Backbones.Onnx;
using MlNetTransfer.Encoders;

namespace MlNetTransfer.Cli;

/// <summary>What 'models add' takes for a model of texts.</summary>
internal sealed class TextFlags
{
    private const string Text = "text",
        Image = "image";

    private readonly Flags<TextInspectionOptions> flags = new(new TextInspectionOptions());
    private readonly Option[] own;
    private readonly Option<string> kind = new Option<string>("--kind")
    {
        Description = "What the model takes: images, or texts that are divided into word pieces (BERT class).",
        HelpName = $"{Image}|{Text}",
        DefaultValueFactory = _ => Image,
    }.AcceptOnlyFromAmong(Image, Text);

    public TextFlags() =>
        own = [
            flags.Text(
                "--vocabulary",
                "Of a model of texts: its tokens, one on a line. Default: vocab.txt beside the model.",
                "file",
                (o, file) => o with { Vocabulary = file }
            ),
            flags.Number<int>(
                "--max-tokens",
                "Of a model of texts: most tokens of a text; what is longer is cut. Default: "
                    + FormattableString.Invariant($"{TextBackboneInspector.DefaultTokens}")
                    + ", or what the model takes where that is less.",
                "n",
                (o, tokens) => o with { MaxTokens = tokens }
            ),
            flags.Switch(
                "--cased",
                "Of a model of texts: capitals and accents count. Default: as tokenizer_config.json says, else as the "
                    + "vocabulary shows.",
                o => o with { Cased = true }
            ),
            flags.Choice<TextPooling>(
                "--pooling",
                "Of a model of texts: mean of the tokens, or the first token (cls).",
                (o, pooling) => o with { Pooling = pooling },
                o => o.Pooling
            ),
        ];

    /// <summary>Adds the options, and the rule that each belongs to one kind.</summary>
    /// <param name="command">The command.</param>
    /// <param name="ofImages">Options that are for models of images alone.</param>
    public void AddTo(Command command, IReadOnlyList<Option> ofImages)
    {
        command.Add(kind);
        foreach (Option option in own)
            command.Add(option);
        command.Validators.Add(result =>
        {
            bool isText = result.GetValue(kind) == Text;
            Option? idle = (isText ? ofImages : own).FirstOrDefault(o => result.GetResult(o) is { Implicit: false });
            string others = isText ? "images" : "texts, --kind text";
            if (idle is not null)
                result.AddError($"{idle.Name} has no effect here: it is for models of {others}. Leave it out.");
        });
    }

    /// <summary>The options of a model of texts; null where it is one of images.</summary>
    /// <param name="parsed">The command line.</param>
    /// <param name="output">The output that was asked for.</param>
    public TextInspectionOptions? Read(ParseResult parsed, string? output) =>
        parsed.GetValue(kind) == Text ? flags.Read(parsed) with { Output = output } : null;
}
