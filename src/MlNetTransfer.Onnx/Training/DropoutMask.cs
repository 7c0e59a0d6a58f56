namespace MlNetTransfer.Onnx.Training;

/// <summary>The mask of one Dropout node: an input of the training graph, drawn anew for every step.</summary>
/// <param name="Input">Name of the input.</param>
/// <param name="Shape">Sizes, outermost first.</param>
/// <param name="Ratio">Share of values that are dropped, in [0, 1).</param>
internal sealed record DropoutMask(string Input, IReadOnlyList<long> Shape, float Ratio)
{
    /// <summary>Fills a mask with 0 (dropped) and 1 / (1 - ratio) (kept); it depends on its arguments alone.</summary>
    /// <param name="mask">Values to fill.</param>
    /// <param name="seed">Seed of the session.</param>
    /// <param name="step">Count of the step.</param>
    /// <param name="part">Which micro-batch of the step, and which mask.</param>
    public void Fill(Span<float> mask, int seed, long step, int part)
    {
        ulong state = Mix(Mix(Mix((uint)seed) ^ (ulong)step) ^ (uint)part);
        float kept = 1 / (1 - Ratio);
        ulong limit = (ulong)(Ratio * 4294967296.0);
        for (int i = 0; i < mask.Length; i++)
            mask[i] = Mix(state + (ulong)i * 0x9E3779B97F4A7C15) >> 32 < limit ? 0 : kept;
    }

    /// <summary>SplitMix64's finaliser (Steele, Lea and Flood, 2014).</summary>
    private static ulong Mix(ulong z)
    {
        z += 0x9E3779B97F4A7C15;
        z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9;
        z = (z ^ (z >> 27)) * 0x94D049BB133111EB;
        return z ^ (z >> 31);
    }
}
