using Microsoft.ML.OnnxRuntime;

namespace MlNetTransfer.Onnx.Runtime;

/// <summary>
/// Memory for rows that a session reads and writes in place, as many together as there are: used for one run after
/// another. Not thread-safe; any number may share a session.
/// </summary>
/// <remarks>
/// Nothing is copied or allocated by a run: the first rows of each tensor are bound to the session, once for each count
/// that is asked for.
/// </remarks>
internal sealed class BoundRows : IDisposable
{
    private readonly OrtSession session;
    private readonly IReadOnlyList<RowTensor> inputs,
        outputs;
    private readonly Binding?[] bound;

    /// <param name="session">What is run; outlives this.</param>
    /// <param name="inputs">A tensor for each input, all of the same number of rows.</param>
    /// <param name="outputs">A tensor for each output to compute, of that number of rows too.</param>
    public BoundRows(OrtSession session, IReadOnlyList<RowTensor> inputs, IReadOnlyList<RowTensor> outputs)
    {
        (this.session, this.inputs, this.outputs) = (session, inputs, outputs);
        Capacity = inputs[0].Rows;
        if (inputs.Concat(outputs).FirstOrDefault(t => t.Rows != Capacity) is { } other)
            throw new ArgumentException(
                $"'{other.Name}' has {other.Rows} rows, '{inputs[0].Name}' has {Capacity}; give all as many."
            );
        bound = new Binding?[Capacity + 1];
    }

    /// <summary>The most rows per run.</summary>
    public int Capacity { get; }

    /// <summary>Runs the first rows: reads them in the inputs and writes them in the outputs.</summary>
    /// <param name="count">How many, in [1, <see cref="Capacity"/>].</param>
    /// <exception cref="OnnxRuntimeException">The run failed.</exception>
    public void Run(int count)
    {
        ArgumentOutOfRangeException.ThrowIfLessThan(count, 1);
        ArgumentOutOfRangeException.ThrowIfGreaterThan(count, Capacity);
        session.RunWithBinding((bound[count] ??= new Binding(this, count)).Values);
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        foreach (Binding? each in bound)
            each?.Dispose();
    }

    /// <summary>The first rows of the tensors, bound to the session.</summary>
    private sealed class Binding : IDisposable
    {
        private readonly List<OrtValue> values = [];

        public Binding(BoundRows rows, int count)
        {
            Values = rows.session.CreateIoBinding();
            foreach (RowTensor input in rows.inputs)
                Values.BindInput(input.Name, Value(input, count));
            foreach (RowTensor output in rows.outputs)
                Values.BindOutput(output.Name, Value(output, count));
        }

        public OrtIoBinding Values { get; }

        public void Dispose()
        {
            Values.Dispose();
            foreach (OrtValue value in values)
                value.Dispose();
        }

        private OrtValue Value(RowTensor tensor, int count)
        {
            OrtValue value = tensor.First(count);
            values.Add(value);
            return value;
        }
    }
}

/// <summary>A named tensor [rows × …] in memory that does not move.</summary>
/// <param name="name">Name of the input or output.</param>
/// <param name="rows">Rows that it has room for.</param>
internal abstract class RowTensor(string name, int rows)
{
    /// <summary>Name of the input or output.</summary>
    public string Name { get; } = name;

    /// <summary>Rows that it has room for.</summary>
    public int Rows { get; } = rows;

    /// <summary>The first rows as ONNX Runtime's value over the same memory, to be disposed.</summary>
    public abstract OrtValue First(int count);

    /// <summary>The elements of a row, copied.</summary>
    public abstract Array Copy(int row);

    /// <summary>Writes a row that <see cref="Copy"/> gave.</summary>
    public abstract void Fill(int row, Array elements);
}

/// <inheritdoc/>
/// <typeparam name="T">Type of the elements, as in the graph: float, long, byte.</typeparam>
internal sealed class RowTensor<T> : RowTensor
    where T : unmanaged
{
    private readonly T[] memory;
    private readonly long[] dimensions;

    /// <param name="name">Name of the input or output.</param>
    /// <param name="rows">Rows to make room for.</param>
    /// <param name="dimensions">The dimensions after the batch axis, all known.</param>
    public RowTensor(string name, int rows, params IReadOnlyList<long> dimensions)
        : base(name, rows)
    {
        this.dimensions = [.. dimensions];
        Length = checked((int)this.dimensions.Aggregate(1L, (a, b) => checked(a * b)));
        memory = GC.AllocateArray<T>(checked(rows * Length), pinned: true);
    }

    /// <summary>Elements of a row.</summary>
    public int Length { get; }

    /// <summary>The elements of a row, row-major; of an output, valid until the next run.</summary>
    /// <param name="row">The row, counted from 0.</param>
    public Span<T> this[int row] => memory.AsSpan(row * Length, Length);

    /// <inheritdoc/>
    public override OrtValue First(int count) =>
        OrtValue.CreateTensorValueFromMemory(
            OrtMemoryInfo.DefaultInstance,
            memory.AsMemory(0, count * Length),
            [count, .. dimensions]
        );

    /// <inheritdoc/>
    public override Array Copy(int row) => this[row].ToArray();

    /// <inheritdoc/>
    public override void Fill(int row, Array elements) => ((T[])elements).CopyTo(this[row]);
}
