using System.Security.Cryptography;
using MlNetTransfer.Datasets;

namespace MlNetTransfer.Training;

/// <summary>Labelled images that can be used, with the digests they had when that was found out.</summary>
/// <param name="Items">The images [rows].</param>
/// <param name="Labels">Their labels [rows].</param>
/// <param name="Digests">SHA-256 of their bytes [rows × 32].</param>
/// <param name="ClassNames">Names of the classes.</param>
/// <param name="Groups">Rows of one id stand on the same side of a split [rows]; null where each stands alone.</param>
internal sealed record TrainingImages(
    IReadOnlyList<ImageItem> Items,
    int[] Labels,
    byte[] Digests,
    IReadOnlyList<string> ClassNames,
    int[]? Groups
)
{
    /// <summary>SHA-256 of an image's bytes [32].</summary>
    public ReadOnlySpan<byte> Digest(int row) => Digests.AsSpan(row * SHA256.HashSizeInBytes, SHA256.HashSizeInBytes);

    /// <summary>SHA-256 of some images' bytes [rows × 32].</summary>
    public byte[] DigestsOf(IReadOnlyList<int> rows)
    {
        var digests = new byte[rows.Count * SHA256.HashSizeInBytes];
        for (int i = 0; i < rows.Count; i++)
            Digest(rows[i]).CopyTo(digests.AsSpan(i * SHA256.HashSizeInBytes));
        return digests;
    }
}
