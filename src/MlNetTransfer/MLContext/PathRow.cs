namespace MlNetTransfer;

/// <summary>A row with the path of an image.</summary>
internal sealed class PathRow
{
    public ReadOnlyMemory<char> Path { get; set; }
}
