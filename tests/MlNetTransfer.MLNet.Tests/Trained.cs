using Microsoft.ML;
using Microsoft.ML.Data;
using MlNetTransfer.Heads;
using MlNetTransfer.Tests.Shared;

namespace MlNetTransfer.MLNet.Tests;

/// <summary>One training on the sample images, shared by the tests that need a model.</summary>
internal static class Trained
{
    public static MLContext Context { get; } = new(1);

    /// <summary>One tap and one kind of head, so that a training takes a second.</summary>
    public static TransferImageClassificationOptions Options { get; } = new() { LabelColumnName = "Class", FeatureColumnName = "Features", Taps = ["block_13_expand_relu"], Head = HeadKind.Softmax, L2 = 0.01 };

    private static readonly Lazy<(TempFolder Folder, TransformerChain<TransferImageClassificationTransformer> Chain)> Run = new(() =>
    {
        var folder = new TempFolder();
        return (folder, Pipeline(Options with { WorkspacePath = folder.Path }).Fit(Context.Data.LoadFromEnumerable(ImageFile.All)));
    });

    /// <summary>Paths and classes to scores.</summary>
    public static TransformerChain<TransferImageClassificationTransformer> Chain => Run.Value.Chain;

    /// <summary>The trained part alone.</summary>
    public static TransferImageClassificationTransformer Classifier => Chain.LastTransformer;

    /// <summary>This library's own file of the same model.</summary>
    public static string Onnx => Run.Value.Folder.File("model.onnx");

    /// <summary>Labels to keys, files to pixels, training.</summary>
    public static EstimatorChain<TransferImageClassificationTransformer> Pipeline(TransferImageClassificationOptions options) =>
        Pixels(options.FeatureColumnName).Append(Context.Transforms.Conversion.MapValueToKey(options.LabelColumnName, "Class")).Append(Context.MulticlassClassification.Trainers.TransferImageClassification(options));

    public static TransferPixelsEstimator Pixels(string column = "Features") => Context.Transforms.LoadTransferPixels(column, "Path");

    /// <summary>Rows with pixels and labels.</summary>
    public static IDataView Prepared(params ImageFile[] files)
    {
        IDataView rows = Context.Data.LoadFromEnumerable(files);
        return Pixels().Append(Context.Transforms.Conversion.MapValueToKey("Class")).Fit(rows).Transform(rows);
    }

    public static void Remove()
    {
        if (!Run.IsValueCreated) return;
        Run.Value.Chain.Dispose();
        Run.Value.Folder.Dispose();
    }
}
