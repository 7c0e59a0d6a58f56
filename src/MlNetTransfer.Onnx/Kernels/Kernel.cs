using System.Runtime.InteropServices;

namespace MlNetTransfer.Onnx.Kernels;

/// <summary>
/// An operator of our own in a graph that ONNX Runtime runs: made once for a node, from its attributes, and run at each
/// step. All tensors are float32, all shapes are fixed by the attributes.
/// </summary>
internal abstract class Kernel
{
    /// <summary>Sizes of each output, outermost first.</summary>
    public abstract IReadOnlyList<long[]> OutputShapes { get; }

    /// <summary>Computes the outputs.</summary>
    public abstract void Run(KernelRun run);
}

/// <summary>What a node is run on.</summary>
/// <param name="context">ONNX Runtime's context of the run.</param>
/// <param name="kernel">The node.</param>
internal sealed unsafe class KernelRun(nint context, Kernel kernel)
{
    /// <summary>
    /// Parts that work is cut into: enough that threads which are late do not matter, and few enough that a part is
    /// worth its call.
    /// </summary>
    private const int MostParts = 64;

    private Action<int, int>? work;
    private Exception? failure;
    private int items,
        parts;

    /// <summary>
    /// An output, of the shape that the kernel says. It may lie where a whole input does: of that, nothing may be read
    /// after its place was written.
    /// </summary>
    public float* Output(int index = 0) => KernelApi.Output(context, index, kernel.OutputShapes[index]);

    /// <summary>Values of an input.</summary>
    public float* Input(int index) => KernelApi.Input(context, index);

    /// <summary>
    /// Runs work on ranges of items, on the threads of the session. Which items are in one range does not depend on the
    /// number of threads.
    /// </summary>
    /// <param name="count">Number of items.</param>
    /// <param name="range">Takes the first item and the one after the last.</param>
    public void Parallel(int count, Action<int, int> range)
    {
        (work, items, parts) = (range, count, Math.Min(count, MostParts));
        var handle = GCHandle.Alloc(this);
        try
        {
            KernelApi.Parallel(context, parts, &Part, GCHandle.ToIntPtr(handle));
        }
        finally
        {
            handle.Free();
        }

        if (failure is not null)
            throw new GraphException($"{kernel.GetType().Name}: {failure.Message}", failure);
    }

    [UnmanagedCallersOnly]
    private static void Part(nint state, nuint part)
    {
        var run = (KernelRun)GCHandle.FromIntPtr(state).Target!;
        try
        {
            long at = (long)part;
            run.work!((int)(at * run.items / run.parts), (int)((at + 1) * run.items / run.parts));
        }
        catch (Exception e)
        {
            run.failure = e;
        }
    }
}

/// <summary>A kind of kernel.</summary>
/// <param name="Name">Name of the operator in <see cref="KernelRegistry.Domain"/>.</param>
/// <param name="Make">Makes one from the attributes <c>sizes</c> and <c>values</c>.</param>
internal sealed record KernelKind(string Name, Func<long[], float[], Kernel> Make);
