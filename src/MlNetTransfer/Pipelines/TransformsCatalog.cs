using MlNetTransfer.Backbones;
using MlNetTransfer.Graphs;
using MlNetTransfer.Imaging;

namespace MlNetTransfer.Pipelines;

/// <summary>Steps that prepare data. None of them learns anything but <see cref="ConversionTransforms.MapValueToKey"/>.</summary>
public sealed class TransformsCatalog
{
    private readonly PipelineEnvironment environment;

    internal TransformsCatalog(PipelineEnvironment environment) => (this.environment, Conversion) = (environment, new ConversionTransforms(environment));

    /// <summary>Conversions of labels.</summary>
    public ConversionTransforms Conversion { get; }

    /// <summary>Makes images of paths, encoded bytes or streams. They are opened when a later step needs them.</summary>
    /// <param name="outputColumnName">The column of images to make.</param>
    /// <param name="inputColumnName">A column of paths (string), encoded images (byte[]) or streams (Func&lt;Stream&gt;).</param>
    /// <param name="imageFolder">Folder that the paths are relative to; a path that leaves it is refused. Null: paths are taken as they are.</param>
    public IEstimator<RowTransformer> LoadImages(string outputColumnName, string inputColumnName, string? imageFolder = null)
    {
        _ = Check.NotEmpty(outputColumnName);
        return new ReadyEstimator(schema => LoadImagesTransformer.OutputSchema(schema, outputColumnName, inputColumnName), (_, _) => new LoadImagesTransformer(environment, outputColumnName, inputColumnName, imageFolder));
    }

    /// <summary>Decodes and resizes images to a square; antialiased, bit-identical to Pillow's resize.</summary>
    /// <param name="outputColumnName">The column of images to make.</param>
    /// <param name="inputColumnName">A column of images.</param>
    /// <param name="size">Side in pixels, in [8, 4096].</param>
    /// <param name="framing">How an image fills the square.</param>
    /// <param name="interpolation">The filter.</param>
    public IEstimator<RowTransformer> ResizeImages(string outputColumnName, string inputColumnName, int size, Framing framing = Framing.Stretch, Interpolation interpolation = Interpolation.Bilinear)
    {
        var resize = new Preprocessing { Size = size, Framing = framing, Interpolation = interpolation };
        return new ReadyEstimator(schema => ResizeImagesTransformer.OutputSchema(schema, outputColumnName, inputColumnName, size), (_, _) => new ResizeImagesTransformer(environment, outputColumnName, inputColumnName, resize));
    }

    /// <summary>Makes tensors [3, size, size] of resized images: <c>(pixel / 255 - mean) / std</c>, channels in RGB order.</summary>
    /// <param name="outputColumnName">The column of vectors to make.</param>
    /// <param name="inputColumnName">A column of resized images.</param>
    /// <param name="mean">Mean per channel on the scale 0..1. Default (0, 0, 0).</param>
    /// <param name="std">Standard deviation per channel on the scale 0..1, each above 0. Default (1, 1, 1).</param>
    public IEstimator<RowTransformer> ExtractPixels(string outputColumnName, string inputColumnName, ChannelValues? mean = null, ChannelValues? std = null)
    {
        var values = new Preprocessing { Size = 8, Mean = mean ?? new ChannelValues(0, 0, 0), Std = std ?? new ChannelValues(1, 1, 1) };
        return new ReadyEstimator(schema => ExtractPixelsTransformer.OutputSchema(schema, outputColumnName, inputColumnName), (_, _) => new ExtractPixelsTransformer(environment, outputColumnName, inputColumnName, values.Mean, values.Std));
    }

    /// <summary>Runs vectors through any ONNX graph, up to any tensor of it.</summary>
    /// <param name="outputColumnName">The column of vectors to make.</param>
    /// <param name="inputColumnName">A column of vectors whose shape the graph takes, after the batch.</param>
    /// <param name="modelFile">The ONNX file.</param>
    /// <param name="tensor">Name of the tensor to take; null for the graph's first output.</param>
    /// <param name="pool">Whether a map [N, channels, height, width] is averaged over its positions, as bottleneck features are. Default true.</param>
    /// <exception cref="GraphException">On schema or fit: the file cannot be read, or has no such tensor.</exception>
    public IEstimator<RowTransformer> ApplyOnnxModel(string outputColumnName, string inputColumnName, string modelFile, string? tensor = null, bool pool = true) => new ReadyEstimator(
        schema => ApplyOnnxModelTransformer.OutputSchema(environment, schema, outputColumnName, inputColumnName, modelFile, tensor, pool),
        (schema, _) => new ApplyOnnxModelTransformer(environment, schema, outputColumnName, inputColumnName, modelFile, tensor, pool));

    /// <summary>Makes bottleneck features of images: resize, pixels and graph in one, as the backbone's card says; in parallel, and cached by content.</summary>
    /// <param name="outputColumnName">The column of features to make, a vector [features].</param>
    /// <param name="inputColumnName">A column of images.</param>
    /// <param name="backbone">Id of the backbone's card. Default "mobilenet_v2_140".</param>
    /// <param name="taps">Names of its taps, side by side. Default null: all of them, for a trainer to choose from.</param>
    /// <exception cref="TransferException">There is no such card or tap.</exception>
    public IEstimator<RowTransformer> ApplyBackbone(string outputColumnName, string inputColumnName, string backbone = ImageClassificationTrainer.DefaultBackbone, IReadOnlyList<string>? taps = null)
    {
        BackboneCard card = environment.Catalog.Get(backbone);
        string[] names = [.. (taps ?? [.. card.Taps.Select(t => t.Name)]).Select(t => card.Tap(t).Name)];
        return new ReadyEstimator(
            schema => ApplyBackboneTransformer.OutputSchema(schema, outputColumnName, inputColumnName, card, names),
            (_, cancellation) => new ApplyBackboneTransformer(environment, outputColumnName, inputColumnName, environment.Open(backbone, cancellation), names, environment.FeatureFolder));
    }
}
