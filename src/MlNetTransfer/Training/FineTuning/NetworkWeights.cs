namespace MlNetTransfer.Training;

/// <summary>
/// Values of trained weights, and running statistics that were updated, by the name of the initializer. Nobody writes
/// to the arrays.
/// </summary>
/// <param name="Values">Values, row-major.</param>
internal sealed record NetworkWeights(IReadOnlyDictionary<string, float[]> Values)
{
    /// <summary>These weights, with others in place of those they name.</summary>
    public NetworkWeights With(IReadOnlyDictionary<string, float[]> others)
    {
        Dictionary<string, float[]> all = new(Values);
        foreach ((string name, float[] value) in others)
            all[name] = value;
        return new NetworkWeights(all);
    }

    /// <summary>(1 - share) · others + share · these, for every weight of these.</summary>
    /// <param name="others">Weights with all names of these.</param>
    /// <param name="share">In [0, 1].</param>
    public NetworkWeights Mixed(NetworkWeights others, float share)
    {
        Dictionary<string, float[]> all = [];
        foreach ((string name, float[] values) in Values)
        {
            float[] from = others.Values[name];
            all[name] = [.. values.Select((v, i) => from[i] + share * (v - from[i]))];
        }

        return new NetworkWeights(all);
    }
}
