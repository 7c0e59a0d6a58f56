using Microsoft.ML.OnnxRuntime;

namespace MlNetTransfer.Onnx.Training;

public sealed partial class TrainingSession
{
    /// <summary>
    /// The trained parameters, and the running statistics where batch normalisation updates them, by the name of the
    /// model's initializer; row-major. <see cref="InitializerEdits"/> writes them back.
    /// </summary>
    public IReadOnlyDictionary<string, float[]> Parameters() => Values(StateRole.Parameter);

    /// <summary>
    /// The moving average of the parameters, and the running statistics, by the name of the model's initializer.
    /// </summary>
    /// <exception cref="InvalidOperationException">The options ask for no average.</exception>
    public IReadOnlyDictionary<string, float[]> Averages() =>
        options.AverageDecay is null
            ? throw new InvalidOperationException(
                $"No average is kept: {nameof(TrainingOptions.AverageDecay)} is not set."
            )
            : Values(StateRole.Average);

    /// <summary>
    /// Writes parameters, optimiser state, averages, running statistics and the count of steps: all that
    /// <see cref="LoadState(Stream)"/> needs to go on with the same bytes.
    /// </summary>
    public void SaveState(Stream stream) => Checkpoint.Write(stream, Steps, [.. state.Kept]);

    /// <summary>
    /// Goes on from a state that a session of the same model and options has saved. On an error nothing is changed.
    /// </summary>
    /// <exception cref="GraphException">The bytes are no state, or one of another model or other options.</exception>
    public void LoadState(Stream stream)
    {
        (StateTensor Tensor, OrtValue Value)[] kept = [.. state.Kept];
        (long steps, Dictionary<string, float[]> values) = Checkpoint.Read(stream, [.. kept.Select(k => k.Tensor)]);
        foreach ((StateTensor tensor, OrtValue value) in kept)
            values[tensor.Input].CopyTo(value.GetTensorMutableDataAsSpan<float>());
        Steps = steps;
    }

    private Dictionary<string, float[]> Values(StateRole role) =>
        state
            .Of(role)
            .Concat(state.Of(StateRole.Statistic))
            .ToDictionary(s => s.Tensor.Owner, s => s.Value.GetTensorDataAsSpan<float>().ToArray());
}
