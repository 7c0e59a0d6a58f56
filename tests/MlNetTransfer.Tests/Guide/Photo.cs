namespace MlNetTransfer.Tests.Guide;

// guide: photo
/// <summary>A row: its public properties are the columns.</summary>
public sealed class Photo
{
    public string? ImagePath { get; init; }

    public string? Label { get; init; }
}

// guide end
