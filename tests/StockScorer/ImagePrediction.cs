/// <summary>What the saved model gives.</summary>
internal sealed class ImagePrediction
{
    public float[] Score { get; set; } = [];

    public uint PredictedLabel { get; set; }
}
