using MlNetTransfer.Backbones;
using MlNetTransfer.Evaluation;
using MlNetTransfer.Graphs;
using MlNetTransfer.Imaging;
using MlNetTransfer.Models;
using MlNetTransfer.Training;

namespace MlNetTransfer.Pipelines;

/// <summary>Finds in a fitted chain what a model file is made of: preprocessing, graph, head.</summary>
internal sealed class SavableChain
{
    private const string Fix = "A model file holds one preprocessing (LoadImages, ResizeImages, ExtractPixels), one backbone or ONNX graph, and one trained classifier.";

    private readonly ITransformer[] steps;
    private readonly HashSet<ITransformer> used = [];

    public SavableChain(ITransformer model) => steps = [.. Flat(model)];

    /// <summary>Builds the file's graph.</summary>
    /// <param name="report">The evaluation that the model card is to state; null for no card.</param>
    /// <param name="seed">What the rows were divided by.</param>
    /// <returns>The graph with its metadata, the column of the images that it takes, and that of the probabilities it gives.</returns>
    /// <exception cref="TransferException">The chain has a step that a model file cannot hold.</exception>
    public (OnnxModel Onnx, string ImageColumn, string ScoreColumn) Build(ClassificationReport? report, int seed)
    {
        if (steps.OfType<TransferModelTransformer>().Any()) throw new TransferException("The chain was loaded from a model file. Copy that file.");
        ImageClassificationTransformer classifier = steps.OfType<ImageClassificationTransformer>().LastOrDefault() ?? throw new TransferException($"The chain has no trained classifier. {Fix}");
        IFeatureSource source = classifier.Backbone ?? MakerOf(classifier.Inputs[0]) as IFeatureSource ?? throw new TransferException($"Column '{classifier.Inputs[0]}' is not made by ApplyBackbone or ApplyOnnxModel. {Fix}");
        used.Add(classifier);
        used.Add((ITransformer)source);
        (Preprocessing preprocessing, string image) = source.Preprocessing is { } own ? (own, source.InputColumn) : Explicit(source.InputColumn);
        if (MakerOf(image) is { } load) used.Add(load);
        if (steps.FirstOrDefault(s => !used.Contains(s) && s is not (LoadImagesTransformer or MapValueToKeyTransformer or MapKeyToValueTransformer)) is { } other)
            throw new TransferException($"A model file cannot hold the step {other.GetType().Name.Replace("Transformer", "", StringComparison.Ordinal)}. {Fix}");

        Range taps = classifier.Fitted.Taps;
        var metadata = new ModelMetadata
        {
            Labels = classifier.ClassNames,
            Preprocessing = preprocessing,
            Backbone = source.Backbone,
            CardDigest = source.CardDigest,
            Taps = source.Taps.ToArray()[taps],
            TrainingDigest = TrainingDigest.Of(source.SpaceKey(preprocessing), classifier.RowsDigest),
        };
        if (report is not null && source.Card is { } card) metadata = metadata with { ModelCard = Card(metadata, classifier, card, report, seed).ToMarkdown() };
        return (ModelGraph.Build(source.Graph(taps), classifier.Head, metadata), image, classifier.Outputs[0]);
    }

    private static ModelCard Card(ModelMetadata metadata, ImageClassificationTransformer classifier, BackboneCard backbone, ClassificationReport report, int seed)
    {
        if (!report.ClassNames.SequenceEqual(metadata.Labels)) throw new TransferException($"The report is of the classes {string.Join(", ", report.ClassNames)}, the model's are {string.Join(", ", metadata.Labels)}. Give the evaluation of this model.");
        return new ModelCard
        {
            Labels = metadata.Labels,
            TrainPerClass = classifier.TrainRowsPerClass,
            TestPerClass = [.. report.PerClass.Select(c => c.Support)],
            Folds = 0,
            Seed = seed,
            Report = report,
            Backbone = backbone,
            Taps = metadata.Taps,
            Head = classifier.HeadName,
            Temperature = classifier.Temperature,
            TrainingDigest = metadata.TrainingDigest,
        };
    }

    /// <summary>The preprocessing that ResizeImages and ExtractPixels make together.</summary>
    private (Preprocessing Preprocessing, string Image) Explicit(string pixels)
    {
        if (MakerOf(pixels) is not ExtractPixelsTransformer extract || MakerOf(extract.Inputs[0]) is not ResizeImagesTransformer resize)
            throw new TransferException($"Column '{pixels}' is not made by ResizeImages and ExtractPixels, so the file could not say how an image is prepared. {Fix}");
        used.Add(extract);
        used.Add(resize);
        return (resize.Resize with { Mean = extract.Mean, Std = extract.Std }, resize.Inputs[0]);
    }

    private RowTransformer? MakerOf(string column) => steps.OfType<RowTransformer>().FirstOrDefault(s => s.Outputs.Contains(column));

    private static IEnumerable<ITransformer> Flat(ITransformer model) => model is ITransformerChain chain ? chain.Steps.SelectMany(Flat) : [model];
}
