using System.Buffers;
using System.Runtime.Intrinsics;
using MlNetTransfer.Onnx.Proto;

namespace MlNetTransfer.Onnx.Kernels;

/// <summary>
/// Several element-wise operators as one: a piece of all tensors at a time goes through all of them, so that what lies
/// between them never leaves the processor's cache. Inputs are of the output's shape, or repeated over it.
/// </summary>
internal sealed unsafe class Elementwise : Kernel
{
    /// <summary>Elements of a piece.</summary>
    private const int Piece = 1024;

    private readonly ElementwiseProgram program;
    private readonly long length;

    private Elementwise(long[] numbers, float[] values)
    {
        program = ElementwiseProgram.Of(numbers, values);
        length = program.Shape.Aggregate(1L, (a, b) => a * b);
    }

    /// <summary>Name of the operator.</summary>
    public const string Name = "Elementwise";

    public static KernelKind Kind { get; } = new(Name, (s, v) => new Elementwise(s, v));

    public override IReadOnlyList<long[]> OutputShapes =>
        [
            [.. program.Shape],
        ];

    public override void Run(KernelRun run)
    {
        int inputs = program.Inputs.Count,
            pieces = (int)((length + Piece - 1) / Piece);
        var sources = new nint[inputs];
        for (int i = 0; i < inputs; i++)
            sources[i] = (nint)run.Input(i);
        float* output = run.Output();
        bool isLarge = length >= Streamed.Least;
        run.Parallel(
            pieces,
            (first, end) =>
            {
                float[] rented = ArrayPool<float>.Shared.Rent((inputs + program.Registers + 1) * Piece);
                fixed (float* room = rented)
                {
                    float* last = room + (inputs + program.Registers) * Piece;
                    float** operands = stackalloc float*[inputs + program.Registers + 1];
                    for (int i = 0; i < program.Registers; i++)
                        operands[inputs + i] = room + (inputs + i) * Piece;
                    for (int piece = first; piece < end; piece++)
                    {
                        long start = (long)piece * Piece;
                        int count = (int)Math.Min(Piece, length - start);
                        for (int i = 0; i < inputs; i++)
                            operands[i] = Read(program.Inputs[i], (float*)sources[i], start, count, room + i * Piece);
                        operands[inputs + program.Registers] = isLarge ? last : output + start;
                        foreach (ElementwiseStep step in program.Steps)
                            step.Run(operands, count);
                        if (isLarge)
                            Streamed.Copy(last, output + start, count);
                    }
                }

                ArrayPool<float>.Shared.Return(rented);
            }
        );
    }

    /// <summary>A piece of an input: where it is, or repeated into the room for it.</summary>
    private static float* Read(Repetition input, float* values, long start, int count, float* room)
    {
        if (input.IsWhole)
            return values + start;
        Span<float> into = new(room, count);
        if (input.Count == 1)
        {
            into.Fill(*values);
            return room;
        }

        long block = start / input.Inner,
            within = start % input.Inner;
        int at = 0;
        if (input.Inner == 1)
            while (at < count)
            {
                int value = (int)((block + at) % input.Count),
                    run = Math.Min(count - at, input.Count - value);
                new ReadOnlySpan<float>(values + value, run).CopyTo(into[at..]);
                at += run;
            }
        else
            while (at < count)
            {
                int run = (int)Math.Min(count - at, input.Inner - within);
                into.Slice(at, run).Fill(values[block % input.Count]);
                (at, block, within) = (at + run, block + 1, 0);
            }

        return room;
    }
}

/// <summary>
/// How an input is repeated: element e of the output meets element e / Inner mod Count of it. All of both being 0 is an
/// input of the output's shape.
/// </summary>
/// <param name="Inner">Elements of the output that meet one element, one after another.</param>
/// <param name="Count">Elements of the input.</param>
internal readonly record struct Repetition(int Inner, int Count)
{
    /// <summary>Whether it is not repeated.</summary>
    public bool IsWhole => Count == 0;

    /// <summary>How a tensor is repeated over another by NumPy's rules; null where it is not in this form.</summary>
    public static Repetition? Of(ReadOnlySpan<long> from, ReadOnlySpan<long> to)
    {
        if (from.Length > to.Length)
            return null;
        if (from.SequenceEqual(to))
            return default(Repetition);
        int added = to.Length - from.Length,
            first = -1,
            last = -1;
        long count = 1,
            inner = 1;
        for (int i = 0; i < from.Length; i++)
            if (from[i] != 1)
            {
                if (from[i] != to[added + i])
                    return null;
                (first, last, count) = (first < 0 ? i : first, i, count * from[i]);
            }

        if (count == 1)
            return new Repetition(1, 1);
        for (int i = first; i <= last; i++)
            if (from[i] != to[added + i])
                return null;
        for (int i = last + 1; i < from.Length; i++)
            inner *= to[added + i];
        return inner * count > int.MaxValue ? null : new Repetition((int)inner, (int)count);
    }
}

/// <summary>What an <see cref="Elementwise"/> does.</summary>
/// <param name="Shape">Sizes of the output.</param>
/// <param name="Inputs">How each input is repeated.</param>
/// <param name="Registers">Pieces kept between steps.</param>
/// <param name="Steps">The operators, in their order; the last one writes the output.</param>
internal sealed record ElementwiseProgram(
    IReadOnlyList<long> Shape,
    IReadOnlyList<Repetition> Inputs,
    int Registers,
    IReadOnlyList<ElementwiseStep> Steps
)
{
    public static ElementwiseProgram Of(long[] numbers, float[] values)
    {
        int at = 0;
        long Next() => numbers[at++];
        long[] shape = [.. Take((int)Next(), Next)];
        Repetition[] inputs = [.. Take((int)Next(), () => new Repetition((int)Next(), (int)Next()))];
        int registers = (int)Next();
        List<ElementwiseStep> steps = [];
        for (int value = 0; at < numbers.Length; value += 2)
            steps.Add(
                new ElementwiseStep(
                    (ElementwiseOperator)Next(),
                    (int)Next(),
                    (int)Next(),
                    (int)Next(),
                    values[value],
                    values[value + 1]
                )
            );
        return new ElementwiseProgram(shape, inputs, registers, steps);
    }

    /// <summary>The attributes that it is read from.</summary>
    private (long[] Sizes, float[] Values) ToAttributes() =>
        (
            [
                Shape.Count,
                .. Shape,
                Inputs.Count,
                .. Inputs.SelectMany(i => new long[] { i.Inner, i.Count }),
                Registers,
                .. Steps.SelectMany(s => new long[] { (long)s.Operator, s.A, s.B, s.Into }),
            ],
            [.. Steps.SelectMany(s => new[] { s.Alpha, s.Beta })]
        );

    /// <summary>a where b lies between two bounds, else 0.</summary>
    public static ElementwiseProgram Gate(IEnumerable<long> shape, float low, float high) =>
        new([.. shape], [default, default], 0, [new ElementwiseStep(ElementwiseOperator.Gate, 0, 1, 2, low, high)]);

    /// <summary>What a node runs.</summary>
    public static ElementwiseProgram Of(NodeProto node)
    {
        (long[] sizes, float[] values) = KernelRegistry.AttributesOf(node);
        return Of(sizes, values);
    }

    /// <summary>A node that runs it.</summary>
    public NodeProto ToNode(IEnumerable<string> inputs, string output)
    {
        (long[] sizes, float[] values) = ToAttributes();
        return KernelRegistry.Node(Elementwise.Kind, inputs, [output], sizes, values);
    }

    private static IEnumerable<T> Take<T>(int count, Func<T> next)
    {
        for (int i = 0; i < count; i++)
            yield return next();
    }
}

/// <summary>Writes past the cache, where what is written would not stay there until it is read.</summary>
internal static unsafe class Streamed
{
    /// <summary>Numbers of a tensor from which on it pays.</summary>
    public const long Least = 1 << 20;

    public static void Copy(float* from, float* to, int count)
    {
        int i = 0;
        if (((nint)to & 31) == 0)
            for (; i <= count - 8; i += 8)
                Vector256.Load(from + i).StoreAlignedNonTemporal(to + i);
        for (; i < count; i++)
            to[i] = from[i];
    }
}
