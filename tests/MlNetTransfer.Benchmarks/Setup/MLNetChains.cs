using Microsoft.ML;
using Microsoft.ML.Data;
using Microsoft.ML.Transforms.Image;
using MlNetTransfer.Backbones;
using MlNetTransfer.Features;
using MlNetTransfer.Onnx.Proto;
using MlNetTransfer.Tests.Shared;

namespace MlNetTransfer.Benchmarks.Setup;

/// <summary>
/// FeaturizeImages beside ML.NET's own chains over the same files: LoadImages, ResizeImages, ExtractPixels, then
/// DnnFeaturizeImage for resnet18 or ApplyOnnxModel for any backbone.
/// </summary>
internal sealed class MLNetChains : IDisposable
{
    private readonly Scratch scratch = new();
    private readonly IReadOnlyList<string> files;
    private readonly IDataView rows;
    private readonly ImageFeaturizingTransformer ours;
    private readonly ITransformer apply;
    private readonly ITransformer? dnn;

    /// <param name="backbone">The network.</param>
    /// <param name="files">The images.</param>
    public MLNetChains(Backbone backbone, IReadOnlyList<string> files)
    {
        this.files = files;
        BackboneCard card = backbone.Card;
        var context = new MLContext(1);
        rows = context.Data.LoadFromEnumerable(files.Select(f => new Row { ImagePath = f }));
        ours = context
            .Transforms.FeaturizeImages(
                "Features",
                "ImagePath",
                card.Id,
                options: new ImageFeaturizingOptions { CacheFeatures = false }
            )
            .Fit(rows);
        string onnx = scratch.File("features.onnx");
        FeatureGraph
            .Build(backbone.LoadModel(), card.Tap().Tensor)
            .With(proto =>
                proto.Graph.Input[0].Type.TensorType.Shape.Dim[0] = new TensorShapeProto.Types.Dimension
                {
                    DimValue = 1,
                }
            )
            .Save(onnx);
        int size = card.Preprocessing!.Size;
        var pixels = context
            .Transforms.LoadImages("Image", null, "ImagePath")
            .Append(
                context.Transforms.ResizeImages("Image", size, size, resizing: ImageResizingEstimator.ResizingKind.Fill)
            )
            .Append(
                context.Transforms.ExtractPixels(
                    Backbone.InputName,
                    "Image",
                    orderOfExtraction: ImagePixelExtractingEstimator.ColorsOrder.ARGB,
                    scaleImage: 1 / (255 * card.Preprocessing.Std.Red)
                )
            );
        apply = pixels
            .Append(
                context.Transforms.ApplyOnnxModel(
                    [FeatureGraph.Output],
                    [Backbone.InputName],
                    onnx,
                    new Dictionary<string, int[]>
                    {
                        [Backbone.InputName] = [1, 3, size, size],
                        [FeatureGraph.Output] = [1, card.Tap().Width],
                    },
                    null,
                    false
                )
            )
            .Fit(rows);
        if (card.Id == BackboneCatalog.DefaultId)
            dnn = pixels
                .Append(
                    context.Transforms.DnnFeaturizeImage(
                        "Features",
                        m => m.ModelSelector.ResNet18(context, m.OutputColumn, m.InputColumn),
                        Backbone.InputName
                    )
                )
                .Fit(rows);
    }

    /// <summary>Whether there is a DnnFeaturizeImage of this backbone.</summary>
    public bool HasDnn => dnn is not null;

    public void FeaturizeImages() => Read(ours, "Features");

    public void ApplyOnnxModel() => Read(apply, FeatureGraph.Output);

    public void DnnFeaturizeImage() => Read(dnn!, "Features");

    public void Dispose()
    {
        ours.Dispose();
        (apply as IDisposable)?.Dispose();
        (dnn as IDisposable)?.Dispose();
        scratch.Dispose();
    }

    private void Read(ITransformer chain, string column)
    {
        IDataView view = chain.Transform(rows);
        using DataViewRowCursor cursor = view.GetRowCursor([view.Schema[column]]);
        ValueGetter<VBuffer<float>> getter = cursor.GetGetter<VBuffer<float>>(view.Schema[column]);
        VBuffer<float> row = default;
        int count = 0;
        for (; cursor.MoveNext(); count++)
            getter(ref row);
        if (count != files.Count)
            throw new InvalidOperationException($"{count} rows of {files.Count}.");
    }

    private sealed class Row
    {
        public string ImagePath { get; set; } = "";
    }
}
