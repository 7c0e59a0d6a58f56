using Microsoft.ML.OnnxRuntime;

namespace MlNetTransfer.Backbones;

/// <summary>
/// Memory of one batch, used for one batch after another. Each place is written by one worker; the batch is run once
/// all its places are decided.
/// </summary>
internal sealed class ImageBatch : IDisposable
{
    private readonly ImageGraph graph;
    private readonly float[] input;
    private readonly float[] output;
    private readonly bool[] filled;
    private readonly RunOptions options = new();
    private readonly OrtIoBinding binding;
    private readonly OrtValue inputValue;
    private readonly OrtValue outputValue;
    private readonly object gate = new();
    private int missing;

    public ImageBatch(ImageGraph graph, int number)
    {
        (this.graph, Number) = (graph, number);
        int size = graph.Plan.BatchSize,
            side = graph.Preprocessing.Size;
        input = GC.AllocateArray<float>(size * graph.Preprocessing.TensorLength, pinned: true);
        output = GC.AllocateArray<float>(size * graph.OutputWidth, pinned: true);
        filled = new bool[size];
        inputValue = OrtValue.CreateTensorValueFromMemory(input, [size, 3, side, side]);
        outputValue = OrtValue.CreateTensorValueFromMemory(output, [size, graph.OutputWidth]);
        binding = graph.Session.CreateIoBinding();
        binding.BindInput(graph.InputName, inputValue);
        binding.BindOutput(graph.OutputName, outputValue);
    }

    /// <summary>Which batch of the run is in the memory.</summary>
    public int Number { get; private set; }

    public void Begin(int places) => missing = places;

    public Span<float> Input(int place) =>
        input.AsSpan(place * graph.Preprocessing.TensorLength, graph.Preprocessing.TensorLength);

    public ReadOnlySpan<float> Output(int place) => output.AsSpan(place * graph.OutputWidth, graph.OutputWidth);

    public bool IsFilled(int place) => filled[place];

    /// <summary>
    /// Waits until the memory belongs to a batch; workers never wait for a batch whose predecessor waits for them,
    /// since images are taken in order.
    /// </summary>
    public void WaitFor(int number, CancellationToken cancellation)
    {
        lock (gate)
        {
            while (Number != number)
            {
                cancellation.ThrowIfCancellationRequested();
                Monitor.Wait(gate, millisecondsTimeout: 50);
            }
        }
    }

    /// <summary>Decides a place; true where it was the last one.</summary>
    public bool Finish(int place, bool isFilled)
    {
        lock (gate)
        {
            filled[place] = isFilled;
            return --missing == 0;
        }
    }

    /// <summary>
    /// Runs the whole batch, unless no place of it is filled; places that are not keep what they held, and their rows
    /// are not looked at.
    /// </summary>
    public void Run()
    {
        if (filled.Contains(true))
            graph.Session.RunWithBinding(options, binding);
    }

    /// <summary>Gives the memory to a later batch.</summary>
    public void Next(int step, int places)
    {
        lock (gate)
        {
            Number += step;
            missing = places;
            filled.AsSpan().Clear();
            Monitor.PulseAll(gate);
        }
    }

    public void Dispose()
    {
        binding.Dispose();
        inputValue.Dispose();
        outputValue.Dispose();
        options.Dispose();
    }
}
