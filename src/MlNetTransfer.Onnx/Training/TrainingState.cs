using System.Buffers.Binary;
using System.Runtime.InteropServices;
using System.Text;
using Microsoft.ML.OnnxRuntime;
using MlNetTransfer.Onnx.Proto;

namespace MlNetTransfer.Onnx.Training;

/// <summary>
/// A tensor that lives from step to step: an input of the training graph, and an output that becomes that input of the
/// next step.
/// </summary>
/// <param name="Role">What it is.</param>
/// <param name="Owner">Initializer of the model that it is, or belongs to.</param>
/// <param name="Input">Name of the input.</param>
/// <param name="Output">Name of the output; null where the graph only reads it.</param>
/// <param name="Shape">Sizes, outermost first; float32.</param>
/// <param name="Start">Initializer with the values at the start; null for zeros.</param>
internal sealed record StateTensor(
    StateRole Role,
    string Owner,
    string Input,
    string? Output,
    IReadOnlyList<long> Shape,
    TensorProto? Start
);

/// <summary>What a tensor that lives from step to step is.</summary>
internal enum StateRole
{
    /// <summary>A trained initializer.</summary>
    Parameter,

    /// <summary>State of the optimiser.</summary>
    Optimizer,

    /// <summary>The moving average of a parameter.</summary>
    Average,

    /// <summary>A running mean or variance of batch normalisation.</summary>
    Statistic,

    /// <summary>The sum of gradients over micro-batches; zero between steps.</summary>
    Accumulator,
}

/// <summary>The values that live from step to step, each once, shared by the graphs of all batch sizes.</summary>
/// <param name="memory">Where they live; disposed with the store.</param>
internal sealed class StateStore(TensorMemory memory) : IDisposable
{
    private readonly SortedDictionary<string, (StateTensor Tensor, OrtValue Value)> values = new(
        StringComparer.Ordinal
    );

    /// <summary>Where the values live.</summary>
    public TensorMemory Memory => memory;

    /// <summary>The value of a tensor; made with its start values when first asked for.</summary>
    public OrtValue Value(StateTensor tensor)
    {
        if (values.TryGetValue(tensor.Input, out (StateTensor, OrtValue Value) known))
            return known.Value;
        OrtValue value = memory.Allocate(tensor.Shape);
        values[tensor.Input] = (tensor, value);
        memory.Write(value, tensor.Start is { } start ? TensorData.ToFloats(start) : Zeros(tensor));
        return value;
    }

    /// <summary>Tensors of a role, in the order of their names.</summary>
    public IEnumerable<(StateTensor Tensor, OrtValue Value)> Of(StateRole role) =>
        values.Values.Where(v => v.Tensor.Role == role);

    /// <summary>All tensors that a checkpoint keeps, in the order of their names.</summary>
    public IEnumerable<(StateTensor Tensor, OrtValue Value)> Kept =>
        values.Values.Where(v => v.Tensor.Role != StateRole.Accumulator);

    /// <summary>Sets every sum of gradients to zero.</summary>
    public void ClearSums()
    {
        foreach ((StateTensor tensor, OrtValue value) in Of(StateRole.Accumulator))
            memory.Write(value, Zeros(tensor));
    }

    public void Dispose()
    {
        foreach ((_, OrtValue value) in values.Values)
            value.Dispose();
        values.Clear();
        memory.Dispose();
    }

    private static float[] Zeros(StateTensor tensor) => new float[tensor.Shape.Aggregate(1L, (a, b) => a * b)];
}

/// <summary>
/// The state of a training session as bytes: "MNTSTATE", version, steps, count; then of each tensor its name, its
/// number of values and the values, float32. All little-endian; equal states give equal bytes.
/// </summary>
internal static class Checkpoint
{
    private const int Version = 1;

    private static ReadOnlySpan<byte> Magic => "MNTSTATE"u8;

    public static void Write(Stream stream, long steps, StateStore store)
    {
        (StateTensor Tensor, OrtValue Value)[] state = [.. store.Kept];
        using BinaryWriter writer = new(stream, Encoding.UTF8, leaveOpen: true);
        writer.Write(Magic);
        writer.Write(Version);
        writer.Write(steps);
        writer.Write(state.Length);
        foreach ((StateTensor tensor, OrtValue value) in state)
        {
            ReadOnlySpan<float> values = store.Memory.Read(value);
            writer.Write(tensor.Input);
            writer.Write(values.Length);
            if (BitConverter.IsLittleEndian)
                writer.Write(MemoryMarshal.AsBytes(values));
            else
                foreach (float v in values)
                    writer.Write(v);
        }
    }

    /// <summary>Reads a state whole before anything is changed.</summary>
    /// <returns>The steps done, and the values of each tensor.</returns>
    /// <exception cref="GraphException">The bytes are no checkpoint, or one of another model or other
    /// options.</exception>
    public static (long Steps, Dictionary<string, float[]> Values) Read(
        Stream stream,
        IReadOnlyList<StateTensor> expected
    )
    {
        try
        {
            using BinaryReader reader = new(stream, Encoding.UTF8, leaveOpen: true);
            if (!reader.ReadBytes(Magic.Length).AsSpan().SequenceEqual(Magic))
                throw new GraphException("The bytes are not a training state. Give what SaveState wrote.");
            if (reader.ReadInt32() is var version && version != Version)
                throw new GraphException(
                    $"The training state is of version {version}; this library reads {Version}. Use the library "
                        + $"that wrote it."
                );
            long steps = reader.ReadInt64();
            if (reader.ReadInt32() is var count && count != expected.Count)
                throw new GraphException(
                    $"The training state has {count} tensors; this session has {expected.Count}. It belongs to "
                        + $"another model or other options."
                );
            return (steps, expected.ToDictionary(t => t.Input, t => Values(reader, t)));
        }
        catch (Exception cause) when (cause is EndOfStreamException or FormatException or DecoderFallbackException)
        {
            throw new GraphException("The training state is cut short or damaged. Take an older one.", cause);
        }
    }

    private static float[] Values(BinaryReader reader, StateTensor tensor)
    {
        long size = tensor.Shape.Aggregate(1L, (a, b) => a * b);
        string name = reader.ReadString();
        int count = reader.ReadInt32();
        if (name != tensor.Input || count != size)
            throw new GraphException(
                $"The training state has '{name}' of {count} values where this session has '{tensor.Input}' of "
                    + $"{size}. It belongs to another model or other options."
            );
        byte[] bytes = reader.ReadBytes(count * sizeof(float));
        if (bytes.Length < count * sizeof(float))
            throw new EndOfStreamException();
        float[] values = new float[count];
        for (int i = 0; i < count; i++)
            values[i] = BinaryPrimitives.ReadSingleLittleEndian(bytes.AsSpan(i * sizeof(float)));
        return values;
    }
}

/// <summary>What the sessions of all engines ask of a model and of a step.</summary>
internal static class StepArguments
{
    /// <summary>The input of a model: its name, and the sizes of a row.</summary>
    /// <exception cref="GraphException">There is not one input, or it is not of a fixed shape.</exception>
    public static (string Name, long[] Row) InputOf(OnnxModel model)
    {
        IReadOnlyList<ValueInfoProto> inputs = model.Inputs;
        if (inputs.Count != 1)
            throw new GraphException(
                $"The model has {inputs.Count} inputs ({string.Join(", ", inputs.Select(i => i.Name))}); training "
                    + $"needs one, with the images or the activations at the freeze boundary."
            );
        string input = inputs[0].Name;
        if (TensorShape.From(inputs[0]) is not { Rank: > 0 } shape || shape.Dimensions.Skip(1).Any(d => d.Size is null))
            throw new GraphException(
                $"Input '{input}' must be [N, ...] with fixed sizes after the batch size N. Export the model with a "
                    + $"fixed image size."
            );
        return (input, [.. shape.Dimensions.Skip(1).Select(d => d.Size!.Value)]);
    }

    /// <summary>Number of rows of a step.</summary>
    /// <exception cref="ArgumentException">A length does not fit.</exception>
    public static int Rows(
        ReadOnlySpan<float> inputs,
        int rowLength,
        ReadOnlySpan<float> learningRates,
        TrainingOptions options
    )
    {
        if (inputs.Length == 0 || inputs.Length % rowLength != 0)
            throw new ArgumentException($"{inputs.Length} input values are not rows of {rowLength}.", nameof(inputs));
        if (learningRates.Length != options.Groups.Count)
            throw new ArgumentException(
                $"{learningRates.Length} learning rates for {options.Groups.Count} parameter groups.",
                nameof(learningRates)
            );
        return inputs.Length / rowLength;
    }
}

/// <summary>Weights of the rows of a batch.</summary>
internal static class StepWeights
{
    /// <summary>The weights divided by their sum; equal ones where none are given.</summary>
    public static float[] Of(ReadOnlySpan<float> weights, int rows)
    {
        float[] scaled = new float[rows];
        if (weights.IsEmpty)
        {
            Array.Fill(scaled, 1f / rows);
            return scaled;
        }

        if (weights.Length != rows)
            throw new ArgumentException($"{weights.Length} row weights for {rows} rows.", nameof(weights));
        double sum = 0;
        foreach (float weight in weights)
            sum +=
                weight >= 0
                    ? weight
                    : throw new ArgumentException(
                        FormattableString.Invariant($"A row weight is {weight}; it must be 0 or more."),
                        nameof(weights)
                    );
        if (sum is 0 or double.PositiveInfinity)
            throw new ArgumentException(
                FormattableString.Invariant($"The row weights sum to {sum}; the sum must be positive and finite."),
                nameof(weights)
            );
        for (int i = 0; i < rows; i++)
            scaled[i] = (float)(weights[i] / sum);
        return scaled;
    }
}

/// <summary>Writes trained values back into a model.</summary>
public static class InitializerEdits
{
    /// <summary>The model with new values of some initializers; names, shapes and everything else stay.</summary>
    /// <param name="model">The model; not changed.</param>
    /// <param name="values">Values [product of the initializer's shape] by name, row-major.</param>
    /// <exception cref="GraphException">An initializer does not exist or has another size; the message names
    /// it.</exception>
    public static OnnxModel WithInitializers(this OnnxModel model, IReadOnlyDictionary<string, float[]> values)
    {
        Dictionary<string, TensorProto> all = model.Initializers.ToDictionary(i => i.Name);
        foreach ((string name, float[] data) in values)
        {
            if (!all.TryGetValue(name, out TensorProto? tensor))
                throw new GraphException(
                    $"The model has no initializer '{name}'. Near names: "
                        + $"{string.Join(", ", NearestNames.Of(name, all.Keys))}."
                );
            long count = tensor.Dims.Aggregate(1L, (a, b) => a * b);
            if (count != data.Length)
                throw new GraphException(
                    $"Initializer '{name}' is [{string.Join(", ", tensor.Dims)}], {count} values; {data.Length} "
                        + $"were given. Are the values those of another model?"
                );
        }

        return model.With(proto =>
        {
            for (int i = 0; i < proto.Graph.Initializer.Count; i++)
                if (values.TryGetValue(proto.Graph.Initializer[i].Name, out float[]? data))
                    proto.Graph.Initializer[i] = TensorData.Floats(
                        proto.Graph.Initializer[i].Name,
                        data,
                        [.. proto.Graph.Initializer[i].Dims]
                    );
        });
    }
}
