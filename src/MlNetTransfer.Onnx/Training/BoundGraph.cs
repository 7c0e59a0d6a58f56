using System.Runtime.CompilerServices;
using Microsoft.ML.OnnxRuntime;
using Microsoft.ML.OnnxRuntime.Tensors;
using MlNetTransfer.Onnx.Proto;
using MlNetTransfer.Onnx.Runtime;

namespace MlNetTransfer.Onnx.Training;

/// <summary>
/// A training graph loaded, with a value bound to each input and output; every state output is bound onto the input it
/// replaces.
/// </summary>
internal sealed class BoundGraph : IDisposable
{
    private readonly OrtSession session;
    private readonly OrtIoBinding binding;
    private readonly TrainingDevice? device;
    private readonly Dictionary<string, OrtValue> own = [];
    private readonly List<string> fed = [];

    /// <param name="graph">The training graph.</param>
    /// <param name="state">Values of its state.</param>
    /// <param name="threads">Threads; null for one per core.</param>
    /// <param name="device">Where it runs, and where its state is; null for the CPU.</param>
    public BoundGraph(TrainingGraph graph, StateStore state, int? threads, TrainingDevice? device)
    {
        (Graph, this.device) = (graph, device);
        session = new OrtSession(
            graph.Model.ToBytes(),
            device is null ? OrtSettings.TrainingStep(threads) : OrtSettings.TrainingStepOn(device, threads),
            "the training graph"
        );
        binding = session.CreateIoBinding();
        try
        {
            Bind(graph, state);
        }
        catch
        {
            Dispose();
            throw;
        }
    }

    public TrainingGraph Graph { get; }

    /// <summary>Values of an input or output that is not state.</summary>
    public Span<float> this[string name] => own[name].GetTensorMutableDataAsSpan<float>();

    public bool Has(string name) => own.ContainsKey(name);

    /// <summary>Runs the graph on what is bound.</summary>
    /// <exception cref="GraphException">It could not be run, for want of memory above all.</exception>
    public void Run()
    {
        try
        {
            // What is fed is copied to a device when it is bound.
            if (device is not null)
                foreach (string input in fed)
                    binding.BindInput(input, own[input]);
            session.RunWithBinding(binding);
            if (device is not null)
                binding.SynchronizeBoundOutputs();
        }
        catch (OnnxRuntimeException e)
        {
            throw new GraphException(
                $"{device?.Name ?? "ONNX Runtime"} could not run a training step: {OrtSession.Said(e)} Where memory "
                    + $"is short, smaller --micro-batch needs less.",
                e
            );
        }
    }

    public void Dispose()
    {
        foreach (OrtValue value in own.Values)
            value.Dispose();
        binding.Dispose();
        session.Dispose();
    }

    private void Bind(TrainingGraph graph, StateStore state)
    {
        HashSet<string> bound = [];
        foreach (StateTensor tensor in graph.State)
        {
            OrtValue value = state.Value(tensor);
            if (bound.Add(tensor.Input))
                binding.BindInput(tensor.Input, value);
            if (tensor.Output is { } output && bound.Add(output))
                binding.BindOutput(output, value);
        }

        foreach (ValueInfoProto input in graph.Model.Inputs.Where(i => bound.Add(i.Name)))
        {
            binding.BindInput(input.Name, Own(input.Name, session.Inputs[input.Name]));
            fed.Add(input.Name);
        }

        foreach (ValueInfoProto output in graph.Model.Outputs.Where(o => bound.Add(o.Name)))
            binding.BindOutput(output.Name, Own(output.Name, session.Outputs[output.Name]));
    }

    private OrtValue Own(string name, NodeMetadata metadata)
    {
        if (metadata.ElementDataType != TensorElementType.Float)
            throw new GraphException(
                $"'{name}' is of type {metadata.ElementDataType}; a training step is fed and read as float32. "
                    + $"Convert the model's input to float32."
            );
        return own[name] = OrtValue.CreateAllocatedTensorValue(
            OrtAllocator.DefaultInstance,
            TensorElementType.Float,
            [.. metadata.Dimensions.Select(d => (long)d)]
        );
    }
}

/// <summary>Checks of options.</summary>
internal static class Range
{
    public static double Check(double value, double low, double high, [CallerMemberName] string name = "") =>
        value >= low && value <= high
            ? value
            : throw new ArgumentOutOfRangeException(
                name,
                value,
                FormattableString.Invariant($"{name} must be in [{low}, {high}].")
            );
}
