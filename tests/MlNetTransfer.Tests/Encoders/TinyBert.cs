using System.Text.Json;
using MlNetTransfer.Backbones;
using MlNetTransfer.Backbones.Onnx;
using MlNetTransfer.Tests.Shared;

namespace MlNetTransfer.Tests.Encoders;

/// <summary>A small BERT made and trained by PyTorch (tiny_bert.py), with what PyTorch says of some texts.</summary>
internal sealed class TinyBert : IDisposable
{
    /// <summary>Positions that its table has.</summary>
    public const int Positions = 48;

    /// <summary>Width of its states.</summary>
    public const int Width = 32;

    /// <summary>Its layers.</summary>
    public const int Layers = 3;

    private readonly TempFolder folder = new();

    /// <param name="form">How the graph is to be: see tiny_bert.py.</param>
    /// <param name="texts">Texts to ask PyTorch for.</param>
    public TinyBert(string form = "plain", params string[] texts)
        : this(form, texts, null) { }

    /// <param name="form">How the graph is to be.</param>
    /// <param name="texts">Texts to ask PyTorch for.</param>
    /// <param name="step">A step of training before that: see tiny_bert.py; null for none.</param>
    public TinyBert(string form, string[] texts, object? step)
    {
        Python.Require("torch");
        string[] arguments =
        [
            folder.Path,
            Script("word_pieces.py"),
            form,
            JsonSerializer.Serialize(texts),
            .. step is null ? [] : (string[])[JsonSerializer.Serialize(step)],
        ];
        string said = Python.Run(File.ReadAllText(Script("tiny_bert.py")), arguments);
        Said = JsonSerializer.Deserialize<Answer[]>(said, JsonSerializerOptions.Web)!;
    }

    public string Model => folder.File("model.onnx");

    public string Vocabulary => folder.File("vocab.txt");

    /// <summary>What PyTorch says of each text.</summary>
    public Answer[] Said { get; }

    /// <summary>Adds it to the user's backbones in a folder.</summary>
    public BackboneCatalog AddTo(TempFolder home, string id = "tiny", TextInspectionOptions? options = null)
    {
        new UserCatalog(home.File("own")).Add(
            new NewBackbone
            {
                Source = Model,
                Id = id,
                Text = options ?? new TextInspectionOptions(),
            }
        );
        return BackboneCatalog.Shipped.With(new UserCatalog(home.File("own")).Read());
    }

    public static string Script(string name) => Path.Combine(AppContext.BaseDirectory, "Encoders", name);

    public void Dispose() => folder.Dispose();

    /// <param name="Tokens">Its tokens.</param>
    /// <param name="Mean">Mean over the tokens of each layer's states [layers][width].</param>
    /// <param name="Cls">The first token's state [layers][width].</param>
    /// <param name="Loss">Loss of the step that was made before; null where none was.</param>
    internal sealed record Answer(long[] Tokens, float[][] Mean, float[][] Cls, double? Loss);
}
