namespace MlNetTransfer.Graphs.Training;

public sealed partial class TrainingSession
{
    /// <summary>The trained parameters, and the running statistics where batch normalisation updates them, by the name of the model's initializer; row-major. <see cref="InitializerEdits"/> writes them back.</summary>
    /// <exception cref="InvalidOperationException">No step has been done.</exception>
    public IReadOnlyDictionary<string, float[]> Parameters() => Values(StateRole.Parameter);

    /// <summary>The moving average of the parameters, and the running statistics, by the name of the model's initializer.</summary>
    /// <exception cref="InvalidOperationException">No step has been done, or the options ask for no average.</exception>
    public IReadOnlyDictionary<string, float[]> Averages() =>
        options.AverageDecay is null ? throw new InvalidOperationException($"No average is kept: {nameof(TrainingOptions.AverageDecay)} is not set.") : Values(StateRole.Average);

    private Dictionary<string, float[]> Values(StateRole role)
    {
        if (Steps == 0) throw new InvalidOperationException("No step has been done; the parameters are those of the model.");
        return state.Of(role).Concat(state.Of(StateRole.Statistic)).ToDictionary(s => s.Tensor.Owner, s => s.Value.GetTensorDataAsSpan<float>().ToArray());
    }
}
