using Microsoft.ML.Data;

/// <summary>What the saved model reads.</summary>
internal sealed class ImageRow
{
    [VectorType(3, 224, 224)]
    public float[] Features { get; set; } = [];
}
