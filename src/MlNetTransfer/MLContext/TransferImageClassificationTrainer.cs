using Microsoft.ML;
using MlNetTransfer.Backbones;
using MlNetTransfer.Imaging;
using MlNetTransfer.Jobs;
using MlNetTransfer.Models;

namespace MlNetTransfer;

/// <summary>Trains an image classifier as an ML.NET estimator: features of a frozen backbone, a head on them, an evaluation on held-out rows.</summary>
/// <remarks>
/// <see cref="Fit"/> is <see cref="TrainJob"/> on the rows of a data view: equal pixels, labels and options give the same model, in any order of the rows. What it returns is made of ML.NET's own
/// transformers only, so that a saved model is loaded and scored without this library. It reads the data once.
/// </remarks>
public sealed class TransferImageClassificationTrainer : IEstimator<TransferImageClassificationTransformer>
{
    private readonly TransferImageClassificationOptions options;

    /// <summary>Makes a trainer.</summary>
    /// <param name="options">The run; the defaults if null.</param>
    /// <exception cref="ArgumentException">Two columns have one name.</exception>
    public TransferImageClassificationTrainer(TransferImageClassificationOptions? options = null)
    {
        this.options = options ??= new TransferImageClassificationOptions();
        string[] names = [options.FeatureColumnName, options.LabelColumnName, options.ScoreColumnName, options.PredictedLabelColumnName];
        if (names.GroupBy(n => n).FirstOrDefault(g => g.Count() > 1) is { } twice)
            throw new ArgumentException($"'{twice.Key}' is the name of {twice.Count()} of the columns {string.Join(", ", names)} (features, label, score, predicted label). Give each a name of its own.", nameof(options));
    }

    /// <summary>Trains.</summary>
    /// <param name="input">Rows with the feature and the label column.</param>
    /// <returns>The classifier; dispose it to release ONNX Runtime's session.</returns>
    /// <exception cref="TransferException">A column, a row or an option is not as it has to be; the message names it and the fix.</exception>
    /// <exception cref="OperationCanceledException"><see cref="TransferImageClassificationOptions.Cancellation"/> was cancelled.</exception>
    public TransferImageClassificationTransformer Fit(IDataView input)
    {
        ArgumentNullException.ThrowIfNull(input);
        options.Cancellation.ThrowIfCancellationRequested();
        Preprocessing preprocessing = BackboneCatalog.Default.Get(options.Backbone).Preprocessing;
        DataViewSchema.Column features = InputColumns.Features(input.Schema, options.FeatureColumnName, preprocessing, options.Backbone);
        ClassKeys classes = ClassKeys.Of(InputColumns.Label(input.Schema, options.LabelColumnName));
        string? temporary = options.WorkspacePath is null ? Directory.CreateTempSubdirectory("mlnet-transfer-").FullName : null;
        try
        {
            (TrainSummary summary, ParitySample sample) = Train(input, features, classes, options.WorkspacePath ?? temporary!);
            ITransformer stock = new StockModel(options, classes).Build(summary.Model, preprocessing, sample);
            return new TransferImageClassificationTransformer(stock, temporary is null ? summary : summary with { Model = "" });
        }
        finally
        {
            if (temporary is not null) Directory.Delete(temporary, recursive: true);
        }
    }

    /// <summary>The columns after training: those of the input, the scores and the predicted label.</summary>
    /// <param name="inputSchema">The columns before.</param>
    /// <exception cref="TransferException">The feature or the label column is missing or of another type.</exception>
    public SchemaShape GetOutputSchema(SchemaShape inputSchema)
    {
        ArgumentNullException.ThrowIfNull(inputSchema);
        InputColumns.Check(inputSchema, options.FeatureColumnName, options.LabelColumnName);
        return OutputColumns.Of(inputSchema, options);
    }

    private (TrainSummary Summary, ParitySample Sample) Train(IDataView input, DataViewSchema.Column features, ClassKeys classes, string folder)
    {
        using var rows = new LabelledPixels(input, features, input.Schema[options.LabelColumnName]);
        return new TrainJob(options.ToJob(folder)).Run(classes.Names, rows.Next, input.GetRowCount() ?? 0, options.Progress, options.Cancellation);
    }
}
