// Scores the images NN.rgba (224 x 224, four bytes a pixel) of a folder with the folder's model.zip, and prints one
// JSON object.
using System.Text.Json;
using Microsoft.ML;
using Microsoft.ML.Data;

var mlContext = new MLContext();
ITransformer model = mlContext.Model.Load(Path.Combine(args[0], "model.zip"), out _);
IDataView rows = mlContext.Data.LoadFromEnumerable(
    Directory
        .GetFiles(args[0], "*.rgba")
        .Order(StringComparer.Ordinal)
        .Select(file => new Row
        {
            Image = MLImage.CreateFromPixels(224, 224, MLPixelFormat.Rgba32, File.ReadAllBytes(file)),
        })
);
IDataView scored = model.Transform(rows);
IDataView named = mlContext.Transforms.Conversion.MapKeyToValue("PredictedLabel").Fit(scored).Transform(scored);
using PredictionEngine<Row, Prediction> engine = mlContext.Model.CreatePredictionEngine<Row, Prediction>(model);
Console.WriteLine(
    JsonSerializer.Serialize(
        new
        {
            Scores = mlContext
                .Data.CreateEnumerable<Row>(rows, reuseRowObject: false)
                .Select(row => engine.Predict(row).Score)
                .ToArray(),
            Labels = named.GetColumn<string>("PredictedLabel").ToArray(),
            Ours = AppDomain
                .CurrentDomain.GetAssemblies()
                .Select(a => a.GetName().Name!)
                .Where(n => n.StartsWith("MlNetTransfer", StringComparison.Ordinal))
                .ToArray(),
        }
    )
);

internal sealed class Row
{
    [Microsoft.ML.Transforms.Image.ImageType(224, 224)]
    public MLImage? Image { get; set; }
}

internal sealed class Prediction
{
    public float[] Score { get; set; } = [];
}
