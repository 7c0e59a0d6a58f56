namespace MlNetTransfer.MLNet.Tests;

/// <summary>A row of the guide's first block.</summary>
internal sealed class LabelledImage
{
    public string ImagePath { get; set; } = "";

    public string Label { get; set; } = "";
}
