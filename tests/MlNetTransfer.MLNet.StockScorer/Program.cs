// Scores the rows of a binary data view (argument 2) with a saved model (argument 1) and prints one JSON object.
using System.Text.Json;
using Microsoft.ML;

var mlContext = new MLContext();
ITransformer model = mlContext.Model.Load(args[0], out _);
IDataView rows = mlContext.Data.LoadFromBinary(args[1]);
Console.WriteLine(JsonSerializer.Serialize(Scored.Of(mlContext, model, rows)));
