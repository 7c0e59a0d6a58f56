using Microsoft.ML;

/// <summary>The guide's second block; a test compares the texts.</summary>
internal static class Example
{
    public static ImagePrediction Run(float[] pixels)
    {
        // Guide begins
        var mlContext = new MLContext();
        ITransformer model = mlContext.Model.Load("model.zip", out _);
        using var engine = mlContext.Model.CreatePredictionEngine<ImageRow, ImagePrediction>(model);
        ImagePrediction found = engine.Predict(new ImageRow { Features = pixels });
        // Guide ends
        return found;
    }
}
