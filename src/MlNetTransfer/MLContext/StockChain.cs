using Microsoft.ML;
using Microsoft.ML.Data;
using Microsoft.ML.Transforms;
using Microsoft.ML.Transforms.Image;
using MlNetTransfer.Imaging;
using MlNetTransfer.Onnx;
using MlNetTransfer.Onnx.Proto;

namespace MlNetTransfer;

/// <summary>
/// The work of a transformer as a chain of ML.NET's own: what is saved, since ML.NET loads no transformer of others.
/// Pixels go through ResizeImages and ExtractPixels into OnnxTransformer; before them stands a custom mapping that
/// decodes and resizes (<see cref="ImageMappings"/>), or nothing where the images come decoded and of the right size.
/// </summary>
internal sealed partial class StockChain : IDisposable
{
    private const string Pixels = "mlnet_transfer_pixels";

    /// <summary>
    /// Largest difference at which a saved model is kept, as a share of the row's largest number: the same sums in
    /// float32, in the same graph.
    /// </summary>
    public const double Tolerance = 1e-5;

    private StockChain(ITransformer model) => Model = model;

    /// <summary>The chain as it is after having been saved and loaded, so that it owns all it needs.</summary>
    public ITransformer Model { get; }

    /// <summary>Builds a chain that begins with a column of images.</summary>
    /// <param name="images">The column.</param>
    /// <param name="preprocessing">What turns an image into the graph's input.</param>
    /// <param name="network">Image [N, 3, Size, Size], preprocessed, to the outputs.</param>
    /// <param name="outputs">The graph's outputs as columns.</param>
    public static StockChain OfImages(
        ItemColumn images,
        Preprocessing preprocessing,
        OnnxModel network,
        StockOutputs outputs
    )
    {
        var context = NewContext();
        if (images.Kind == ItemColumnKind.Stream)
            throw new TransferException(
                $"Column '{images.Name}' holds streams, which ML.NET cannot save. Fit on paths or encoded bytes "
                    + "to save the model."
            );
        IEstimator<ITransformer> chain = context.Transforms.CopyColumns(ImageMappings.Source, images.Name);
        chain = images.Kind switch
        {
            ItemColumnKind.Path => chain
                .Append(Constant(ImageMappings.Source))
                .Append(
                    context.Transforms.CustomMapping<ImageMappings.PathRow, ImageMappings.Resized>(
                        ImageMappings.OfPath.Map,
                        ImageMappings.FromPath
                    )
                ),
            ItemColumnKind.Bytes => chain
                .Append(
                    context.Transforms.CustomMapping<ImageMappings.OnlyBytes, ImageMappings.One>(
                        ImageMappings.OneOfBytes.Map,
                        ImageMappings.OneForBytes
                    )
                )
                .Append(Constant(ImageMappings.Number))
                .Append(
                    context.Transforms.CustomMapping<ImageMappings.BytesRow, ImageMappings.Resized>(
                        ImageMappings.OfBytes.Map,
                        ImageMappings.FromBytes
                    )
                ),
            _ => chain
                .Append(
                    context.Transforms.CustomMapping<ImageMappings.OnlyImage, ImageMappings.One>(
                        ImageMappings.OneOfImage.Map,
                        ImageMappings.OneForImage
                    )
                )
                .Append(Constant(ImageMappings.Number))
                .Append(
                    context.Transforms.CustomMapping<ImageMappings.ImageRow, ImageMappings.Resized>(
                        ImageMappings.OfImage.Map,
                        ImageMappings.FromImage
                    )
                ),
        };
        string[] made =
        [
            ImageMappings.Source,
            ImageMappings.Settings,
            ImageMappings.Image,
            .. images.Kind == ItemColumnKind.Path ? [] : (string[])[ImageMappings.Number],
        ];
        return Build(
            context,
            chain,
            ImageMappings.Image,
            preprocessing,
            network,
            outputs,
            made,
            Rows(context, images, [])
        );

        ExpressionEstimator Constant(string of) =>
            context.Transforms.Expression(
                ImageMappings.Settings,
                $"x : \"{ImageMappings.SettingsOf(preprocessing)}\"",
                of
            );
    }

    /// <summary>Builds a chain of ML.NET's own transformers alone, over MLImages of the graph's size.</summary>
    /// <param name="column">The column of images.</param>
    /// <param name="preprocessing">What turns an image into the graph's input.</param>
    /// <param name="network">Image [N, 3, Size, Size], preprocessed, to the outputs.</param>
    /// <param name="outputs">The graph's outputs as columns.</param>
    public static StockChain OfDecoded(
        string column,
        Preprocessing preprocessing,
        OnnxModel network,
        StockOutputs outputs
    )
    {
        var context = NewContext();
        IEstimator<ITransformer> chain = context.Transforms.CopyColumns(ImageMappings.Image, column);
        return Build(
            context,
            chain,
            ImageMappings.Image,
            preprocessing,
            network,
            outputs,
            [ImageMappings.Image],
            Rows(context, new ItemColumn(column, ItemColumnKind.Image), [])
        );
    }

    /// <summary>Builds a chain over a column of features, of ML.NET's own transformers alone.</summary>
    /// <param name="column">The column, a vector of float32.</param>
    /// <param name="width">Its length.</param>
    /// <param name="network">Features [N × width] to the outputs.</param>
    /// <param name="outputs">The graph's outputs as columns.</param>
    public static StockChain OfFeatures(string column, int width, OnnxModel network, StockOutputs outputs)
    {
        var context = NewContext();
        SchemaDefinition schema = SchemaDefinition.Create(typeof(FeaturesOnly));
        schema[nameof(FeaturesOnly.Value)].ColumnName = column;
        schema[column].ColumnType = new VectorDataViewType(NumberDataViewType.Single, width);
        string input = network.Inputs.Single().Name;
        if (network.UniqueName(column) is var free && free != column && column != input)
            network = network.RenameTensor(column, free);
        return Build(
            context,
            null,
            network.RenameTensor(input, column),
            column,
            outputs,
            [],
            context.Data.LoadFromEnumerable(Array.Empty<FeaturesOnly>(), schema)
        );
    }

    public void Dispose() => (Model as IDisposable)?.Dispose();

    private static MLContext NewContext()
    {
        var context = new MLContext(1);
        context.RegisterMlNetTransfer();
        return context;
    }

    private static StockChain Build(
        MLContext context,
        IEstimator<ITransformer> chain,
        string image,
        Preprocessing preprocessing,
        OnnxModel network,
        StockOutputs outputs,
        string[] made,
        IDataView empty
    )
    {
        (int width, int height) = preprocessing.Shape;
        chain = chain
            .Append(
                context.Transforms.ResizeImages(image, width, height, image, ImageResizingEstimator.ResizingKind.Fill)
            )
            .Append(
                context.Transforms.ExtractPixels(
                    Pixels,
                    image,
                    orderOfExtraction: ImagePixelExtractingEstimator.ColorsOrder.ARGB
                )
            );
        return Build(context, chain, FromPixels(network, preprocessing), Pixels, outputs, [.. made, Pixels], empty);
    }

    private static StockChain Build(
        MLContext context,
        IEstimator<ITransformer>? before,
        OnnxModel network,
        string input,
        StockOutputs outputs,
        string[] made,
        IDataView empty
    )
    {
        string file = Path.Combine(Path.GetTempPath(), $"mlnet-transfer-{Guid.NewGuid():N}.onnx");
        try
        {
            outputs.Graph(network).Save(file);
            IEstimator<ITransformer> run = context.Transforms.ApplyOnnxModel([.. outputs.Columns], [input], file);
            IEstimator<ITransformer> chain = before is null ? run : before.Append(run);
            foreach (IEstimator<ITransformer> step in outputs.After(context))
                chain = chain.Append(step);
            if (made.Length > 0)
                chain = chain.Append(context.Transforms.DropColumns(made));
            ITransformer fitted = chain.Fit(empty);
            using var saved = new MemoryStream();
            context.Model.Save(fitted, null, saved);
            (fitted as IDisposable)?.Dispose();
            saved.Position = 0;
            return new StockChain(context.Model.Load(saved, out _));
        }
        finally
        {
            File.Delete(file);
        }
    }

    /// <summary>
    /// Puts (x / 255 - mean) / std before the network, in this order, which is that of our own tensors to the last bit.
    /// </summary>
    private static OnnxModel FromPixels(OnnxModel network, Preprocessing preprocessing)
    {
        (ChannelValues mean, ChannelValues std) = (preprocessing.Mean, preprocessing.Std);
        string image = network.Inputs.Single().Name,
            inner = network.UniqueName($"{image}_normalised");
        string most = network.UniqueName("pixels_most"),
            means = network.UniqueName("pixels_mean"),
            stds = network.UniqueName("pixels_std");
        string unit = network.UniqueName("pixels_unit"),
            centred = network.UniqueName("pixels_centred");
        OnnxModel model = network.RenameTensor(image, inner);
        return model.With(proto =>
        {
            proto.Graph.Input.Single(i => i.Name == inner).Name = Pixels;
            proto.Graph.Initializer.Add(TensorData.Floats(most, [255f], 1));
            proto.Graph.Initializer.Add(TensorData.Floats(means, [mean.Red, mean.Green, mean.Blue], 1, 3, 1, 1));
            proto.Graph.Initializer.Add(TensorData.Floats(stds, [std.Red, std.Green, std.Blue], 1, 3, 1, 1));
            proto.Graph.Node.Insert(0, Binary("Div", Pixels, most, unit));
            proto.Graph.Node.Insert(1, Binary("Sub", unit, means, centred));
            proto.Graph.Node.Insert(2, Binary("Div", centred, stds, inner));
        });

        static NodeProto Binary(string type, string a, string b, string output) =>
            new()
            {
                OpType = type,
                Name = output,
                Input = { a, b },
                Output = { output },
            };
    }

    private sealed class FeaturesOnly
    {
        public VBuffer<float> Value { get; set; }
    }
}
