using System.Diagnostics.CodeAnalysis;
using MlNetTransfer.Datasets;
using MlNetTransfer.Evaluation;
using MlNetTransfer.Graphs;
using MlNetTransfer.Models;

namespace MlNetTransfer.Pipelines;

/// <summary>Saving, loading and using models.</summary>
public sealed class ModelOperations
{
    private readonly PipelineEnvironment environment;

    internal ModelOperations(PipelineEnvironment environment) => this.environment = environment;

    /// <summary>Writes a fitted chain as one ONNX file, the same that the training job writes: any of the commands reads it, and so does <see cref="Load"/>.</summary>
    /// <remarks>The file is kept only if it agrees with the chain on the first <see cref="ModelWriter.ParityImages"/> rows of the data to 1e-3 in probability.</remarks>
    /// <param name="model">The chain: images, a backbone or any ONNX graph, a trained classifier; conversions of labels are dropped, since the file holds the class names.</param>
    /// <param name="data">Some rows to check the file on, e.g. the training rows; as the chain takes them.</param>
    /// <param name="path">The file; replaced where it exists. Its folder is made where it is missing.</param>
    /// <param name="report">
    /// The evaluation of the chain on the rows held out by <see cref="DataOperations.TrainTestSplit"/>, for the file's model card: the file is then, to the byte, what the training job writes. Null for no card; a graph of
    /// ApplyOnnxModel, whose licence and provenance are not known, has none either.
    /// </param>
    /// <param name="progress">Told after every image.</param>
    /// <param name="cancellation">Ends the work; no file is touched.</param>
    /// <exception cref="TransferException">The chain has a step that a model file cannot hold, or the report is of other classes, or the file does not agree, or cannot be written.</exception>
    public SavedModel Save(ITransformer model, IDataView data, string path, ClassificationReport? report = null, IProgress<JobProgress>? progress = null, CancellationToken cancellation = default)
    {
        ArgumentNullException.ThrowIfNull(model);
        ArgumentNullException.ThrowIfNull(data);
        var parts = new SavableChain(model);
        (OnnxModel onnx, string imageColumn, string scoreColumn) = parts.Build(report, environment.Seed);
        var items = new List<ImageItem>();
        var scores = new List<float>();
        foreach (DataBatch batch in model.Transform(data).Take(ModelWriter.ParityImages).Read([imageColumn, scoreColumn], cancellation))
        {
            items.AddRange(batch.Values<ImageItem>(imageColumn));
            scores.AddRange(batch.Values<float>(scoreColumn));
        }

        if (items.Count == 0) throw new TransferException($"'{path}' was not written: there is no row to check it on. Give some rows, e.g. those it was trained on.");
        (ParityRecord parity, string sha256) = new ModelWriter(environment.Options.Limits, environment.Plan).Write(onnx, Check.NotEmpty(path), new ParitySample(items, [.. scores]), progress, cancellation);
        return new SavedModel(path, sha256, parity);
    }

    /// <summary>Loads a model file, written by <see cref="Save"/> or by the training job, as a step.</summary>
    /// <param name="path">The file.</param>
    /// <param name="imageColumnName">The column it is to score: images, paths, encoded bytes or streams. Default "Image".</param>
    /// <param name="scoreColumnName">The column of probabilities to make.</param>
    /// <param name="predictedLabelColumnName">The column of the likeliest class to make.</param>
    /// <exception cref="TransferException">The file is not a model of this product, or one of a newer version.</exception>
    /// <exception cref="GraphException">The file cannot be read or is no ONNX model.</exception>
    public TransferModelTransformer Load(string path, string imageColumnName = DataOperations.ImageColumn, string scoreColumnName = "Score", string predictedLabelColumnName = "PredictedLabel") =>
        new(environment, TransferModel.Load(Check.NotEmpty(path), environment.Options.Limits, environment.Plan), Check.NotEmpty(imageColumnName), Check.NotEmpty(scoreColumnName), Check.NotEmpty(predictedLabelColumnName));

    /// <summary>Makes an engine that predicts one row at a time.</summary>
    /// <typeparam name="TSource">A row: see <see cref="DataOperations.LoadFromEnumerable"/>.</typeparam>
    /// <typeparam name="TDestination">A prediction: see <see cref="DataOperations.CreateEnumerable"/>.</typeparam>
    /// <param name="model">The model; it stays the caller's to dispose.</param>
    /// <exception cref="SchemaException">The classes' properties do not fit the model's columns.</exception>
    public PredictionEngine<TSource, TDestination> CreatePredictionEngine<[DynamicallyAccessedMembers(DynamicallyAccessedMemberTypes.PublicProperties)] TSource, [DynamicallyAccessedMembers(DynamicallyAccessedMemberTypes.PublicProperties | DynamicallyAccessedMemberTypes.PublicParameterlessConstructor)] TDestination>(ITransformer model)
        where TSource : class
        where TDestination : class, new() => new(model);
}
