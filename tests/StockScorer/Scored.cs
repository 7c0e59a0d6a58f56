using Microsoft.ML;
using Microsoft.ML.Data;

/// <summary>What is printed.</summary>
internal sealed record Scored
{
    /// <summary>Score of every row through Transform [rows][classes].</summary>
    public required float[][] Transformed { get; init; }

    /// <summary>Score of every row through a prediction engine [rows][classes].</summary>
    public required float[][] Predicted { get; init; }

    /// <summary>Score of the first row by the guide's code [classes].</summary>
    public required float[] ByTheGuide { get; init; }

    /// <summary>Predicted label of every row through a prediction engine; keys are 1-based.</summary>
    public required uint[] PredictedKeys { get; init; }

    /// <summary>Predicted label of every row, mapped back to its value.</summary>
    public required string[] PredictedValues { get; init; }

    /// <summary>Names of the scores.</summary>
    public required string[] SlotNames { get; init; }

    /// <summary>What Evaluate gave.</summary>
    public required double MicroAccuracy { get; init; }

    /// <summary>What Evaluate gave, in nats.</summary>
    public required double LogLoss { get; init; }

    /// <summary>Assemblies of this repository in the process.</summary>
    public required string[] Ours { get; init; }

    public static Scored Of(MLContext context, ITransformer model, IDataView rows)
    {
        IDataView scored = model.Transform(rows);
        VBuffer<ReadOnlyMemory<char>> slots = default;
        scored.Schema["Score"].GetSlotNames(ref slots);
        using PredictionEngine<ImageRow, ImagePrediction> engine = context.Model.CreatePredictionEngine<ImageRow, ImagePrediction>(model);
        ImageRow[] images = [.. context.Data.CreateEnumerable<ImageRow>(rows, reuseRowObject: false)];
        ImagePrediction[] predictions = [.. images.Select(engine.Predict)];
        MulticlassClassificationMetrics metrics = context.MulticlassClassification.Evaluate(scored);
        return new Scored
        {
            Transformed = [.. scored.GetColumn<float[]>("Score")],
            Predicted = [.. predictions.Select(p => p.Score)],
            ByTheGuide = Example.Run(images[0].Features).Score,
            PredictedKeys = [.. predictions.Select(p => p.PredictedLabel)],
            PredictedValues = [.. context.Transforms.Conversion.MapKeyToValue("PredictedLabel").Fit(scored).Transform(scored).GetColumn<string>("PredictedLabel")],
            SlotNames = [.. slots.DenseValues().Select(s => s.ToString())],
            MicroAccuracy = metrics.MicroAccuracy,
            LogLoss = metrics.LogLoss,
            Ours = [.. AppDomain.CurrentDomain.GetAssemblies().Select(a => a.GetName().Name!).Where(n => n.StartsWith("MlNetTransfer", StringComparison.Ordinal) && n != typeof(Scored).Assembly.GetName().Name)],
        };
    }
}
