using MlNetTransfer.Heads;
using MlNetTransfer.Imaging;
using MlNetTransfer.Jobs;
using MlNetTransfer.Models;
using MlNetTransfer.Tests.Shared;

namespace MlNetTransfer.TorchSharp.Tests;

/// <summary>
/// One model on the default backbone, trained once for all tests on a few of the sample images, and what it says of
/// real images.
/// </summary>
[TestClass]
public static class Trained
{
    private const int PerClass = 8;

    private static readonly TempFolder Folder = new();

    private static readonly Lazy<string> Few = new(CopyFew);

    private static readonly Lazy<string> File = new(Train);

    private static readonly Lazy<string> State = new(() => Export("torchsharp", "class/ImageClassifier.dat"));

    private static readonly Lazy<(float[][] Tensors, float[] Probabilities)> Asked = new(Ask);

    /// <summary>A folder of a few of the sample images of every class.</summary>
    public static string Photos => Few.Value;

    /// <summary>The model.onnx.</summary>
    public static string Model => File.Value;

    /// <summary>Its state dictionary for TorchSharp; the class lies beside it.</summary>
    public static string StateDictionary => State.Value;

    /// <summary>
    /// Twenty images, seen in training or not, after the model's preprocessing: each [3 × 224 × 224].
    /// </summary>
    public static float[][] Images => Asked.Value.Tensors;

    /// <summary>What the library says of them: [20 × 8].</summary>
    public static float[] Probabilities => Asked.Value.Probabilities;

    /// <summary>Their true classes, as indices into the sorted names of the folders.</summary>
    public static long[] Labels => [.. Files.Select(f => (long)Array.IndexOf(Classes, Class(f)))];

    private static string[] Samples { get; } =
    [
        .. Directory
            .EnumerateFiles(Repository.At("data-samples/clipart"), "*.png", SearchOption.AllDirectories)
            .Order(StringComparer.Ordinal),
    ];

    private static string[] Files => [.. Samples.Where((_, i) => i % 7 == 0).Take(20)];

    private static string[] Classes => [.. Samples.Select(Class).Distinct()];

    [AssemblyInitialize]
    public static void SetHome(TestContext _) => Environment.SetEnvironmentVariable(DataFolder.Variable, At("home"));

    [AssemblyCleanup]
    public static void Remove() => Folder.Dispose();

    /// <summary>A path in a folder that is removed after all tests.</summary>
    public static string At(string name) => Folder.File(name);

    /// <summary>Writes the model in another form and returns the file.</summary>
    public static string Export(string format, string name, Func<ExportOptions, ExportOptions>? change = null)
    {
        ExportOptions options = new()
        {
            Model = Model,
            Format = format,
            Images = Files[..2],
            Output = At(name),
        };
        return new ExportJob(change?.Invoke(options) ?? options).Run().Files[0].Path;
    }

    /// <summary>Brings trained weights home and returns what the library then says of the images.</summary>
    public static float[] PredictWith(string weights)
    {
        string output = weights + ".onnx";
        new ImportJob(
            new ImportOptions
            {
                Model = Model,
                Weights = weights,
                Output = output,
            }
        ).Run();
        using TransferModel model = TransferModel.Load(output);
        return model.Predict(Images);
    }

    private static string Class(string file) => Path.GetFileName(Path.GetDirectoryName(file)!);

    private static string CopyFew()
    {
        foreach (IGrouping<string, string> images in Samples.GroupBy(Class))
        {
            string folder = Directory.CreateDirectory(At($"images/{images.Key}")).FullName;
            foreach (string image in images.Take(PerClass))
                System.IO.File.Copy(image, Path.Combine(folder, Path.GetFileName(image)));
        }

        return At("images");
    }

    private static string Train()
    {
        TrainOptions options = new()
        {
            Folder = Photos,
            Output = At("model"),
            Taps = ["map7_3"],
            Head = HeadKind.Ridge,
            CacheFeatures = false,
        };
        new TrainJob(options).Run();
        return At("model/model.onnx");
    }

    private static (float[][] Tensors, float[] Probabilities) Ask()
    {
        using TransferModel model = TransferModel.Load(Model);
        using ImagePreprocessor preprocessor = new(model.Metadata.Preprocessing);
        float[][] tensors =
        [
            .. Files.Select(file =>
            {
                float[] tensor = new float[model.Metadata.Preprocessing.TensorLength];
                preprocessor.Process(System.IO.File.ReadAllBytes(file), tensor);
                return tensor;
            }),
        ];
        CollectionAssert.AreEqual(Classes, model.ClassNames.ToArray());
        return (tensors, model.Predict(tensors));
    }
}
