using Microsoft.ML;
using Microsoft.ML.Data;
using MlNetTransfer.Heads;
using MlNetTransfer.Tests.Shared;

namespace MlNetTransfer.Tests;

/// <summary>The sample images as rows, and one model that tests share.</summary>
internal static class Images
{
    public static MLContext Context { get; } = new(1);

    public static string Folder => Repository.At("data-samples/clipart");

    /// <summary>One tap and one kind of head, so that a training takes a second.</summary>
    public static ImageClassificationOptions Quick { get; } =
        new()
        {
            Taps = ["map7_3"],
            Head = HeadKind.Softmax,
            L2 = 0.01,
        };

    private static readonly Lazy<TransformerChain<ImageClassificationTransformer>> Fitted = new(() =>
        Pipeline(Quick).Fit(Context.Data.LoadImageFolder(Folder))
    );

    /// <summary>Paths and classes to scores, trained on all sample images.</summary>
    public static TransformerChain<ImageClassificationTransformer> Model => Fitted.Value;

    public static EstimatorChain<ImageClassificationTransformer> Pipeline(ImageClassificationOptions options) =>
        Context
            .Transforms.Conversion.MapValueToKey("Label")
            .Append(Context.MulticlassClassification.Trainers.ImageClassification(options));

    /// <summary>The first images of some classes.</summary>
    public static ImagePathRow[] Few(int each, params string[] classes) =>
        [
            .. classes.SelectMany(c =>
                Directory
                    .GetFiles(Path.Combine(Folder, c))
                    .Order(StringComparer.Ordinal)
                    .Take(each)
                    .Select(f => new ImagePathRow { ImagePath = f, Label = c })
            ),
        ];

    public static IDataView Rows(params ImagePathRow[] rows) => Context.Data.LoadFromEnumerable(rows);

    /// <summary>An engine that leaves the model to the other tests; by default it disposes it.</summary>
    public static PredictionEngine<ImagePathRow, ScoredImage> Engine(ITransformer model) =>
        Context.Model.CreatePredictionEngine<ImagePathRow, ScoredImage>(
            model,
            new PredictionEngineOptions { OwnsTransformer = false }
        );

    public static float[][] Vectors(IDataView rows, string column) => [.. rows.GetColumn<float[]>(column)];

    public static double LargestDifference(float[][] a, float[][] b)
    {
        Assert.HasCount(a.Length, b);
        return a.Zip(b).Max(rows => rows.First.Zip(rows.Second).Max(v => Math.Abs((double)v.First - v.Second)));
    }
}

internal sealed class ImagePathRow
{
    public string ImagePath { get; set; } = "";

    public string Label { get; set; } = "";
}

internal sealed class ImageBytesRow
{
    public byte[] Image { get; set; } = [];

    public string Label { get; set; } = "";
}

internal sealed class ScoredImage
{
    public float[] Score { get; set; } = [];

    public uint PredictedLabel { get; set; }
}
