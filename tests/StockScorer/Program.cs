// Scores the rows of rows.idv with model.zip, both in the current folder, and prints one JSON object.
using System.Text.Json;
using Microsoft.ML;

var mlContext = new MLContext();
ITransformer model = mlContext.Model.Load("model.zip", out _);
IDataView rows = mlContext.Data.LoadFromBinary("rows.idv");
Console.WriteLine(JsonSerializer.Serialize(Scored.Of(mlContext, model, rows)));
