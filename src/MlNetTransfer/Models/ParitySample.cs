using MlNetTransfer.Datasets;

namespace MlNetTransfer.Models;

/// <summary>Real images and what the evaluated model says of them, to check a written file against.</summary>
/// <param name="Items">The images.</param>
/// <param name="Probabilities">What was evaluated [images × classes].</param>
public sealed record ParitySample(IReadOnlyList<ImageItem> Items, float[] Probabilities)
{
    /// <summary>SHA-256 of each image's file [images × 32]; empty where it is not known.</summary>
    internal byte[] Digests { get; init; } = [];
}
