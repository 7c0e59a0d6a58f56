using System.Collections.Concurrent;
using System.Diagnostics.CodeAnalysis;
using MlNetTransfer.Onnx.Kernels;
using MlNetTransfer.Onnx.Runtime;

namespace MlNetTransfer.Onnx.Training;

/// <summary>
/// Training steps of a model; parameters and the optimiser's state stay in place from step to step. Not thread-safe.
/// </summary>
public interface ITrainingSession : IDisposable
{
    /// <summary>Steps done.</summary>
    long Steps { get; }

    /// <summary>One step with one objective.</summary>
    /// <param name="inputs">Rows of the model's input [N, ...]; N is found from the length.</param>
    /// <param name="targets">Targets [N, C].</param>
    /// <param name="rowWeights">Weights of the rows [N], 0 or more; they are divided by their sum. Empty for equal
    /// weights.</param>
    /// <param name="learningRates">Learning rate of each group, 0 or more.</param>
    /// <returns>Loss and norm of the gradients, from before the update.</returns>
    /// <exception cref="ArgumentException">A length does not fit, or the weights are all zero.</exception>
    /// <exception cref="GraphException">The step cannot be made.</exception>
    [SuppressMessage("Naming", "CA1716", Justification = "The field's word; Visual Basic writes [Step].")]
    StepResult Step(
        ReadOnlySpan<float> inputs,
        ReadOnlySpan<float> targets,
        ReadOnlySpan<float> rowWeights,
        params ReadOnlySpan<float> learningRates
    );

    /// <summary>
    /// The trained parameters, and the running statistics where batch normalisation updates them, by the name of the
    /// model's initializer; row-major. <see cref="InitializerEdits"/> writes them back.
    /// </summary>
    IReadOnlyDictionary<string, float[]> Parameters();

    /// <summary>
    /// The moving average of the parameters, and the running statistics, by the name of the model's initializer.
    /// </summary>
    /// <exception cref="InvalidOperationException">The options ask for no average.</exception>
    IReadOnlyDictionary<string, float[]> Averages();

    /// <summary>Writes all that <see cref="LoadState(Stream)"/> needs to go on with the same bytes.</summary>
    void SaveState(Stream stream);

    /// <summary>
    /// Goes on from a state that a session of the same engine, model and options has saved. On an error nothing is
    /// changed.
    /// </summary>
    /// <exception cref="GraphException">The bytes are no state, or one of another model or other options.</exception>
    void LoadState(Stream stream);
}

/// <summary>What differentiates models and runs their training steps.</summary>
public interface ITrainingEngine
{
    /// <summary>Its name, as options say it: <c>onnxruntime</c>.</summary>
    string Name { get; }

    /// <summary>What results depend on beside the name: versions, and the device where there are several.</summary>
    string Version { get; }

    /// <summary>Finds what cannot be trained before anything else is done.</summary>
    /// <param name="model">The forward model.</param>
    /// <param name="options">What a step does.</param>
    /// <param name="batch">Images worked on at a time.</param>
    /// <returns>Peak memory of a step in bytes; 0 where that is not known.</returns>
    /// <exception cref="GraphException">An operator has no gradient, or what is trained is no parameter.</exception>
    long Check(OnnxModel model, TrainingOptions options, int batch);

    /// <summary>Prepares training.</summary>
    /// <param name="model">The forward model, of one float32 input whose first dimension is the batch.</param>
    /// <param name="options">What a step does.</param>
    /// <param name="running">How it is run.</param>
    /// <exception cref="GraphException">The model cannot be trained.</exception>
    ITrainingSession CreateSession(OnnxModel model, TrainingOptions options, TrainingSessionOptions running);
}

/// <summary>The engines by name. Packages add theirs.</summary>
public static class TrainingEngines
{
    /// <summary>Name of the engine that is always there: training graphs of our own on ONNX Runtime.</summary>
    public const string Default = "onnxruntime";

    private static readonly ConcurrentDictionary<string, ITrainingEngine> Known = new(StringComparer.OrdinalIgnoreCase)
    {
        [Default] = new OnnxRuntimeEngine(),
    };

    /// <summary>Adds an engine; one of that name that was added before is replaced.</summary>
    /// <exception cref="ArgumentException">It has the name of the engine that is always there.</exception>
    public static void Add(ITrainingEngine engine) =>
        Known[engine.Name] = string.Equals(engine.Name, Default, StringComparison.OrdinalIgnoreCase)
            ? throw new ArgumentException($"'{Default}' is the engine that is always there.", nameof(engine))
            : engine;

    /// <summary>The engine of a name.</summary>
    /// <exception cref="GraphException">There is none; the message says which there are, and what adds one.</exception>
    public static ITrainingEngine Find(string name) =>
        Known.TryGetValue(name, out ITrainingEngine? engine)
            ? engine
            : throw new GraphException(
                $"There is no training engine '{name}'; there are: "
                    + $"{string.Join(", ", Known.Keys.Order(StringComparer.Ordinal))}. The engine torchsharp is in the "
                    + $"package MlNetTransfer.TorchSharp: call TorchSharpEngine.Register() when the program starts."
            );

    /// <summary>The engine of a name where training is on a device.</summary>
    /// <exception cref="GraphException">There is none, or it has a device of its own.</exception>
    internal static ITrainingEngine Find(string name, TrainingDevice? device) =>
        device is null ? Find(name)
        : string.Equals(name, Default, StringComparison.OrdinalIgnoreCase) ? new DeviceEngine(device)
        : throw new GraphException(
            $"The engine {Find(name).Name} is told its device where it is registered. Leave --device out, or take the "
                + $"engine {Default}."
        );

    private sealed class OnnxRuntimeEngine : ITrainingEngine
    {
        public string Name => Default;

        public string Version =>
            KernelRegistry.IsAvailable
                ? FormattableString.Invariant($"{OrtSession.RuntimeVersion} (kernels {KernelRegistry.Revision})")
                : OrtSession.RuntimeVersion;

        public long Check(OnnxModel model, TrainingOptions options, int batch) =>
            MemoryEstimate
                .Of(new TrainingStepBuilder(model, options) { HasKernels = KernelRegistry.IsAvailable }.Build(batch))
                .Total;

        public ITrainingSession CreateSession(
            OnnxModel model,
            TrainingOptions options,
            TrainingSessionOptions running
        ) => new TrainingSession(model, options, running);
    }
}
