namespace MlNetTransfer.Tests.Guide;

// guide: photo class
/// <summary>A prediction: a key's class name goes into a string, its index into an int.</summary>
public sealed class PhotoClass
{
    public string? PredictedLabel { get; set; }

    public float[] Score { get; set; } = [];
}

// guide end
