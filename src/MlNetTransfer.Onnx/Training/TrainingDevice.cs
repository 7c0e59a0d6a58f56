using System.Globalization;
using Microsoft.ML.OnnxRuntime;
using Microsoft.ML.OnnxRuntime.Tensors;
using MlNetTransfer.Onnx.Proto;
using MlNetTransfer.Onnx.Runtime;

namespace MlNetTransfer.Onnx.Training;

/// <summary>A device beside the CPU that runs training graphs through a provider of ONNX Runtime.</summary>
internal sealed record TrainingDevice
{
    /// <summary>Its name for people and for digests: <c>CUDA 0</c>.</summary>
    public required string Name { get; init; }

    /// <summary>Adds the provider to a session; throws, with a message for people, where it cannot be used.</summary>
    public required Action<SessionOptions> Append { get; init; }

    /// <summary>The device's memory, in ONNX Runtime's words; called once for a session.</summary>
    public required Func<OrtMemoryInfo> Memory { get; init; }
}

/// <summary>
/// Training graphs of standard operators on a device. It is trusted with a training only after it has taken the CPU's
/// steps.
/// </summary>
/// <param name="device">The device.</param>
internal sealed class DeviceEngine(TrainingDevice device) : ITrainingEngine
{
    public string Name => TrainingEngines.Default;

    public string Version => $"{OrtSession.RuntimeVersion} on {device.Name}";

    /// <inheritdoc/>
    /// <returns>0: it is the device that must have the memory, and it has been tried.</returns>
    /// <exception cref="TrainingDeviceException">The device does not take the steps, or not the CPU's.</exception>
    public long Check(OnnxModel model, TrainingOptions options, int batch)
    {
        TrainingGraph graph = new TrainingStepBuilder(model, options).Build(batch);
        new DeviceTrial(device, graph, MemoryEstimate.Of(graph).Total).Require(model, options);
        return 0;
    }

    public ITrainingSession CreateSession(OnnxModel model, TrainingOptions options, TrainingSessionOptions running) =>
        new TrainingSession(model, options, running, device);
}

/// <summary>The first steps of a training, on the device and on the CPU, on rows of random numbers.</summary>
/// <remarks>
/// Rows are uniform in [0, 1), which are images as good as any to gradients, and the number 0 to whatever reads them as
/// whole numbers. Steps of a whole batch, and steps of two micro-batches, which are other graphs. On the device with as
/// many rows as a batch has, so that its memory is tried too; compared on fewer where the CPU's memory is short.
/// </remarks>
/// <param name="device">The device.</param>
/// <param name="graph">The training graph.</param>
/// <param name="needed">Bytes that a step is estimated to need.</param>
internal sealed class DeviceTrial(TrainingDevice device, TrainingGraph graph, long needed)
{
    /// <summary>Steps compared.</summary>
    public const int Steps = 3;

    /// <summary>Throws where the device does not take the steps of the CPU.</summary>
    /// <exception cref="TrainingDeviceException">Why.</exception>
    public void Require(OnnxModel model, TrainingOptions options)
    {
        int rows = RowsHere(GC.GetGCMemoryInfo().TotalAvailableMemoryBytes);
        TrialSteps whole,
            parts;
        try
        {
            if (rows < graph.BatchSize)
                Take(model, options, device, graph.BatchSize, null);
            whole = Take(model, options, device, rows, null);
            parts = Take(model, options, device, 2 * rows, rows);
        }
        catch (Exception e) when (e is OnnxRuntimeException or GraphException)
        {
            throw new TrainingDeviceException(
                string.Create(
                    CultureInfo.InvariantCulture,
                    $"{device.Name} could not take a step of {graph.BatchSize} rows, for which about "
                        + $"{needed / 1e6:n0} MB are needed: {OrtSession.Said(e) ?? e.Message}"
                ),
                e
            );
        }

        if (Take(model, options, null, rows, null).Against(whole) is { } difference)
            throw new TrainingDeviceException($"{device.Name} does not train as the CPU does: {difference}");
        if (Take(model, options, null, 2 * rows, rows).Against(parts) is { } other)
            throw new TrainingDeviceException(
                $"{device.Name} does not train as the CPU does, in micro-batches: {other}"
            );
    }

    /// <summary>As many rows as half of the CPU's memory is enough for.</summary>
    internal int RowsHere(long available) =>
        (int)Math.Clamp(graph.BatchSize * (available / 2.0 / Math.Max(1, needed)), 1, graph.BatchSize);

    private TrialSteps Take(OnnxModel model, TrainingOptions options, TrainingDevice? where, int rows, int? part)
    {
        using TrainingSession session = new(model, options, new TrainingSessionOptions { MicroBatch = part }, where);
        IReadOnlyDictionary<string, float[]> start = session.Parameters();
        return new TrialSteps(Run(session, options, rows), start, session.Parameters())
        {
            Trained = options.Parameters.ToHashSet(),
        };
    }

    private StepResult[] Run(TrainingSession session, TrainingOptions options, int batch)
    {
        long inputs = graph
            .Model.Inputs.Where(i => graph.State.All(s => s.Input != i.Name) && IsOfRows(i))
            .Sum(i => TensorShape.From(i)!.Dimensions.Skip(1).Aggregate(1L, (a, d) => a * d.Size!.Value));
        Random random = new(1);
        float[] rows = new float[batch * inputs];
        ReadOnlyMemory<float>[] targets =
        [
            .. graph.Objectives.Select(o =>
            {
                float[] wanted = new float[batch * o.Columns];
                for (int row = 0; row < batch; row++)
                    wanted[row * o.Columns + row % o.Columns] = 1;
                return (ReadOnlyMemory<float>)wanted;
            }),
        ];
        float[] rates = [.. options.Groups.Select(_ => 1e-3f)];
        StepResult[] results = new StepResult[Steps];
        for (int step = 0; step < Steps; step++)
        {
            for (int i = 0; i < rows.Length; i++)
                rows[i] = random.NextSingle();
            results[step] = session.Step(rows, targets, [], rates);
        }

        return results;
    }

    /// <summary>Whether an input is the forward model's.</summary>
    private bool IsOfRows(ValueInfoProto input) =>
        input.Name is not (TrainingGraph.RowWeights or TrainingGraph.LearningRates or TrainingGraph.StepFactors)
        && graph.Objectives.All(o => o.Targets != input.Name)
        && graph.Masks.All(m => m.Input != input.Name);
}

/// <summary>What the steps of a trial gave.</summary>
/// <param name="Steps">Losses and norms.</param>
/// <param name="Start">The weights before, by name.</param>
/// <param name="End">The weights after.</param>
internal sealed record TrialSteps(
    IReadOnlyList<StepResult> Steps,
    IReadOnlyDictionary<string, float[]> Start,
    IReadOnlyDictionary<string, float[]> End
)
{
    /// <summary>
    /// Largest difference of a loss, of a norm of gradients and of all that the weights moved by, as shares. float32 in
    /// another order is off by 1e-6 of a sum, and Adam's first steps turn the sign of a gradient that is nothing but
    /// rounding into a whole step of that weight. A wrong kernel is off by far more.
    /// </summary>
    private const double LossTolerance = 1e-3,
        NormTolerance = 1e-2,
        MoveTolerance = 0.05;

    /// <summary>The weights that steps change; what else there is are statistics of batches. Null for all.</summary>
    public IReadOnlySet<string>? Trained { get; init; }

    /// <summary>What differs in the steps of another; null where they are the same but for rounding.</summary>
    public string? Against(TrialSteps other)
    {
        for (int i = 0; i < Steps.Count; i++)
        {
            if (!IsNear(Steps[i].Loss, other.Steps[i].Loss, LossTolerance))
                return Difference($"the loss of step {i + 1} is", other.Steps[i].Loss, Steps[i].Loss);
            if (!IsNear(Steps[i].GradientNorm, other.Steps[i].GradientNorm, NormTolerance))
                return Difference(
                    $"the norm of the gradients of step {i + 1} is",
                    other.Steps[i].GradientNorm,
                    Steps[i].GradientNorm
                );
        }

        return Moves(other, "the weights", name => Trained?.Contains(name) ?? true)
            ?? Moves(other, "the statistics of batches", name => Trained?.Contains(name) == false);
    }

    private string? Moves(TrialSteps other, string what, Func<string, bool> which)
    {
        string[] names = [.. End.Keys.Where(which)];
        double moved = Distance(names, End, Start),
            apart = Distance(names, End, other.End);
        // Written so that what is no number differs from everything.
        return apart <= MoveTolerance * moved
            ? null
            : string.Create(
                CultureInfo.InvariantCulture,
                $"after {Steps.Count} steps, which moved {what} by {moved:g4}, they are {apart:g4} apart"
            );
    }

    private static bool IsNear(float expected, float found, double tolerance) =>
        Math.Abs(found - expected) <= tolerance * Math.Max(Math.Abs(expected), 1e-3);

    private static double Distance(
        IEnumerable<string> names,
        IReadOnlyDictionary<string, float[]> one,
        IReadOnlyDictionary<string, float[]> other
    ) => Math.Sqrt(names.Sum(n => one[n].Zip(other[n]).Sum(v => Math.Pow((double)v.First - v.Second, 2))));

    private static string Difference(string what, double found, double expected) =>
        string.Create(CultureInfo.InvariantCulture, $"{what} {found:g4}, where the CPU has {expected:g4}");
}

/// <summary>A device cannot be trusted with a training.</summary>
/// <param name="message">Why; without a full stop.</param>
/// <param name="inner">The cause.</param>
internal sealed class TrainingDeviceException(string message, Exception? inner = null) : Exception(message, inner);

/// <summary>Where the values live that stay from step to step.</summary>
internal abstract class TensorMemory : IDisposable
{
    /// <summary>The CPU's memory, or that of a device.</summary>
    public static TensorMemory Of(TrainingDevice? device) => device is null ? new Host() : new OnDevice(device);

    /// <summary>Room for a tensor of float32; its values are those of whatever was there.</summary>
    public abstract OrtValue Allocate(IEnumerable<long> shape);

    /// <summary>The values of a tensor, row-major, until the next step.</summary>
    public abstract ReadOnlySpan<float> Read(OrtValue tensor);

    /// <summary>Sets the values of a tensor.</summary>
    public abstract void Write(OrtValue tensor, ReadOnlySpan<float> values);

    public virtual void Dispose() { }

    private static OrtValue OfHost(IEnumerable<long> shape) =>
        OrtValue.CreateAllocatedTensorValue(OrtAllocator.DefaultInstance, TensorElementType.Float, [.. shape]);

    private sealed class Host : TensorMemory
    {
        public override OrtValue Allocate(IEnumerable<long> shape) => OfHost(shape);

        public override ReadOnlySpan<float> Read(OrtValue tensor) => tensor.GetTensorDataAsSpan<float>();

        public override void Write(OrtValue tensor, ReadOnlySpan<float> values) =>
            values.CopyTo(tensor.GetTensorMutableDataAsSpan<float>());
    }

    /// <summary>
    /// Values go there and back through a graph that hands them on, whose ends are bound to one memory and the other.
    /// </summary>
    private sealed class OnDevice : TensorMemory
    {
        private const string From = "from",
            To = "to";
        private readonly OrtSession copy;
        private readonly OrtAllocator allocator;

        public OnDevice(TrainingDevice device)
        {
            copy = new OrtSession(HandingOn(), OrtSettings.TrainingStepOn(device, null), "a graph on the device");
            try
            {
                using OrtMemoryInfo memory = device.Memory();
                allocator = copy.CreateAllocator(memory);
            }
            catch
            {
                copy.Dispose();
                throw;
            }
        }

        public override OrtValue Allocate(IEnumerable<long> shape) =>
            OrtValue.CreateAllocatedTensorValue(allocator, TensorElementType.Float, [.. shape]);

        public override ReadOnlySpan<float> Read(OrtValue tensor)
        {
            using OrtValue here = OfHost(tensor.GetTensorTypeAndShape().Shape);
            Copy(tensor, here);
            return here.GetTensorDataAsSpan<float>().ToArray();
        }

        public override void Write(OrtValue tensor, ReadOnlySpan<float> values)
        {
            using OrtValue here = OfHost(tensor.GetTensorTypeAndShape().Shape);
            values.CopyTo(here.GetTensorMutableDataAsSpan<float>());
            Copy(here, tensor);
        }

        public override void Dispose()
        {
            allocator.Dispose();
            copy.Dispose();
            base.Dispose();
        }

        private void Copy(OrtValue from, OrtValue to)
        {
            using OrtIoBinding binding = copy.CreateIoBinding();
            binding.BindInput(From, from);
            binding.BindOutput(To, to);
            copy.RunWithBinding(binding);
            binding.SynchronizeBoundOutputs();
        }

        private static byte[] HandingOn()
        {
            ValueInfoProto Value(string name) =>
                new()
                {
                    Name = name,
                    Type = new TypeProto
                    {
                        TensorType = new TypeProto.Types.Tensor { ElemType = (int)TensorProto.Types.DataType.Float },
                    },
                };
            ModelProto proto = new()
            {
                IrVersion = 8,
                Graph = new GraphProto
                {
                    Name = "copy",
                    Input = { Value(From) },
                    Output = { Value(To) },
                    Node =
                    {
                        new NodeProto
                        {
                            OpType = "Identity",
                            Input = { From },
                            Output = { To },
                        },
                    },
                },
            };
            proto.OpsetImport.Add(new OperatorSetIdProto { Domain = "", Version = 13 });
            return new OnnxModel(proto).ToBytes();
        }
    }
}
