using MlNetTransfer.Datasets;
using MlNetTransfer.Heads;
using MlNetTransfer.Jobs;
using MlNetTransfer.Models;
using MlNetTransfer.Tests.Shared;

namespace MlNetTransfer.Hosting.Tests;

/// <summary>
/// Two real models of the sample images, trained once for all tests, with what they say of some images.
/// </summary>
[TestClass]
public static class Trained
{
    private static readonly TempFolder Folder = new();

    private static readonly Lazy<string> First = new(() => Train(1)),
        Second = new(() => Train(2));

    /// <summary>Images to ask about: every seventh of the samples.</summary>
    public static IReadOnlyList<string> Images { get; } =
    [
        .. Directory
            .EnumerateFiles(Repository.At("data-samples/clipart"), "*.png", SearchOption.AllDirectories)
            .Order(StringComparer.Ordinal)
            .Where((_, i) => i % 7 == 0),
    ];

    public static string Model => First.Value;

    /// <summary>Trained on other images of the same classes.</summary>
    public static string OtherModel => Second.Value;

    [AssemblyInitialize]
    public static void SetHome(TestContext _) =>
        Environment.SetEnvironmentVariable(DataFolder.Variable, Folder.File("home"));

    [AssemblyCleanup]
    public static void Remove() => Folder.Dispose();

    /// <summary>What the library says of the images, without any hosting: a row of probabilities each.</summary>
    public static (IReadOnlyList<string> Labels, float[][] Rows) Predict(string path)
    {
        using TransferModel model = TransferModel.Load(path);
        Backbones.ItemRows rows = model.Predict([.. Images.Select(i => new DataItem(i, i))]);
        Assert.IsEmpty(rows.Rejected);
        return (model.ClassNames, [.. Enumerable.Range(0, Images.Count).Select(i => rows.Row(i).ToArray())]);
    }

    private static string Train(int seed)
    {
        string output = Folder.File($"seed{seed}");
        new TrainJob(
            new TrainOptions
            {
                Folder = Repository.At("data-samples/clipart"),
                Output = output,
                Taps = ["map7_3"],
                Head = HeadKind.Ridge,
                Seed = seed,
            }
        ).Run();
        return Path.Combine(output, "model.onnx");
    }
}
