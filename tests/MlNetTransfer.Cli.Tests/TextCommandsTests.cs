using MlNetTransfer.Onnx;
using MlNetTransfer.Tests.Shared;
using DataType = MlNetTransfer.Onnx.Proto.TensorProto.Types.DataType;

namespace MlNetTransfer.Cli.Tests;

/// <summary>Texts on the command line, with an encoder that has a table of tokens and no layer.</summary>
[TestClass]
public sealed class TextCommandsTests
{
    private static readonly string[] Words =
    [
        "butter oven flour simmer garlic whisk dough pepper",
        "rain cloud storm frost breeze sunny thunder fog",
    ];

    [TestMethod]
    public void Add_TextEncoder_TrainsEvaluatesAndPredicts()
    {
        using var folder = new TempFolder();
        CliResult added = Cli.Run("models", "add", Encoder(folder), "--kind", "text", "--id", "words");
        Assert.AreEqual(ExitCode.Done, added.Code, added.ToString());
        StringAssert.Contains(added.Output, "the first 256 of 20 word pieces, lower case; mean of the tokens");
        StringAssert.Contains(added.Output, "train LIST.csv --text-column COLUMN");

        CliResult trained = Cli.Run(
            "train",
            List(folder, "train.csv", 1, "body,topic"),
            "--text-column",
            "body",
            "--label-column",
            "topic",
            "--backbone",
            "words",
            "--output",
            folder.File("out"),
            "--json"
        );
        Assert.AreEqual(ExitCode.Done, trained.Code, trained.ToString());
        Assert.IsGreaterThan(
            0.85,
            trained.Json.GetProperty("accuracy").GetDouble(),
            "no text has words of both topics"
        );
        string model = folder.File("out/model.onnx");
        StringAssert.Contains(Cli.Run("inspect", model).Output, "Texts");

        CliResult judged = Cli.Run(
            "evaluate",
            model,
            List(folder, "new.csv", 2, "text,label"),
            "--text-column",
            "text"
        );
        Assert.AreEqual(ExitCode.Done, judged.Code, judged.ToString());
        CliResult said = Cli.Run("predict", model, "--text", "fog and frost", "--text", "flour", "--json");
        Assert.AreEqual(ExitCode.Done, said.Code, said.ToString());
        CollectionAssert.AreEqual(
            new[] { "1", "0" },
            said.Json.GetProperty("predictions")
                .EnumerateArray()
                .Select(p => p.GetProperty("label").GetString())
                .ToArray()
        );
        Assert.AreEqual(
            ExitCode.Done,
            Cli.Run("predict", model, folder.File("new.csv"), "--text-column", "text", "--json").Code
        );
        CliResult exported = Cli.Run(
            "export",
            model,
            "--format",
            "tensor",
            "--images",
            folder.File("new.csv"),
            "--text-column",
            "text"
        );
        Assert.AreEqual(ExitCode.Done, exported.Code, exported.ToString());
        StringAssert.Contains(
            Cli.Run("export", model, "--format", "pixels", "--images", folder.File("new.csv")).Error,
            "this one takes texts. Take --format tensor or fp16 or int8."
        );
        Assert.AreEqual(ExitCode.Done, Cli.Run("models", "remove", "words").Code);
    }

    [TestMethod]
    [DataRow("models add m.onnx --id x --kind text --preprocessing unit", "--preprocessing has no effect here")]
    [DataRow("models add m.onnx --id x --vocabulary v.txt", "it is for models of texts, --kind text")]
    [DataRow("models add m.onnx --id x --pooling cls", "--pooling has no effect here")]
    [DataRow("models add m.onnx --id x --kind text --max-tokens 2", "--max-tokens is 2; it must be")]
    [DataRow("models add m.onnx --id x --kind sound", "'sound' not recognized")]
    [DataRow("predict m.onnx", "Nothing to predict was given")]
    [DataRow("train l.csv --text-column t --strategy full --augment strong", "--augment has no effect here")]
    [DataRow("train l.csv --text-column t --path-column p", "--path-column has no effect here")]
    [DataRow("train l.csv --text-column t --max-megapixels 5", "--max-megapixels has no effect here")]
    public void Run_OptionsThatContradict_AreErrorsOfUsage(string line, string message)
    {
        CliResult result = Cli.Run(line.Split(' '));
        Assert.AreEqual(ExitCode.Usage, result.Code, result.ToString());
        StringAssert.Contains(result.Error, message);
    }

    private static string List(TempFolder folder, string name, int seed, string header)
    {
        var random = new Random(seed);
        IEnumerable<string> rows = Enumerable
            .Range(0, 40)
            .Select(i => (Topic: i % 2, Known: Words[i % 2].Split(' ')))
            .Select(t => $"{t.Known[random.Next(8)]} the {t.Known[random.Next(8)]} {random.Next(1000)},{t.Topic}");
        File.WriteAllLines(folder.File(name), [header, .. rows]);
        return folder.File(name);
    }

    private static string Encoder(TempFolder folder)
    {
        string[] tokens = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", .. string.Join(' ', Words).Split(' ')];
        File.WriteAllLines(folder.File("vocab.txt"), tokens);
        var table = new float[tokens.Length * 16];
        var random = new Random(1);
        for (int i = 0; i < table.Length; i++)
            table[i] = (random.NextSingle() * 2) - 1;
        new GraphBuilder("words")
            .Input("input_ids", ["N", "T"], DataType.Int64)
            .Input("attention_mask", ["N", "T"], DataType.Int64)
            .Initializer("table", table, tokens.Length, 16)
            .Node("Gather", ["table", "input_ids"], ["rows"])
            .Node("Tanh", ["rows"], ["last_hidden_state"])
            .Output("last_hidden_state", ["N", "T", 16])
            .Build()
            .Save(folder.File("model.onnx"));
        return folder.File("model.onnx");
    }
}
