using MlNetTransfer.Numerics;

namespace MlNetTransfer.Models;

/// <summary>
/// Keeps some of a stream of tensors, each with the same chance whatever the stream's length (Vitter, Random Sampling with a Reservoir, 1985, algorithm R), so
/// that a written model can be checked on images that nobody can read again.
/// </summary>
/// <param name="size">How many are kept, at most.</param>
/// <param name="seed">Equal seeds and streams keep the same.</param>
internal sealed class TensorSample(int size, int seed)
{
    private readonly Rng rng = new(seed);
    private readonly List<(int Row, float[] Tensor)> kept = [];
    private int offered;

    /// <summary>Which tensors of the stream were kept, counted from 0.</summary>
    public int[] Rows => [.. kept.Select(k => k.Row)];

    /// <summary>The kept tensors, in the order of <see cref="Rows"/>.</summary>
    public IReadOnlyList<float[]> Tensors => [.. kept.Select(k => k.Tensor)];

    /// <summary>Offers the next tensor of the stream; it is copied where it is kept.</summary>
    public void Offer(ReadOnlySpan<float> tensor)
    {
        int row = offered++;
        if (kept.Count < size) kept.Add((row, tensor.ToArray()));
        else if (rng.Next(offered) is var place && place < size) kept[place] = (row, tensor.ToArray());
    }
}
