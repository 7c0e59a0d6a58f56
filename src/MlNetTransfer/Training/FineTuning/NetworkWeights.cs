namespace MlNetTransfer.Training;

/// <summary>Values of trained weights, and running statistics that were updated, by the name of the initializer. Nobody writes to the arrays.</summary>
/// <param name="Values">Values, row-major.</param>
internal sealed record NetworkWeights(IReadOnlyDictionary<string, float[]> Values)
{
    /// <summary>These weights, with others in place of those they name.</summary>
    public NetworkWeights With(IReadOnlyDictionary<string, float[]> others)
    {
        Dictionary<string, float[]> all = new(Values);
        foreach ((string name, float[] value) in others) all[name] = value;
        return new NetworkWeights(all);
    }
}
