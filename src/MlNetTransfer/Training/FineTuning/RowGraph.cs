using Microsoft.ML.OnnxRuntime;
using MlNetTransfer.Backbones;
using MlNetTransfer.Onnx;

namespace MlNetTransfer.Training;

/// <summary>
/// The trained part of a network as an inference graph, from rows at the boundary to logits. Any number of workers;
/// results do not depend on it.
/// </summary>
internal sealed class RowGraph : IDisposable
{
    private readonly SessionOptions options = ExecutionPlan.For(ExecutionProvider.Cpu).CreateSessionOptions();
    private readonly InferenceSession session;
    private readonly string input;
    private readonly string output;

    public RowGraph(OnnxModel forward, string logits)
    {
        (input, output) = (forward.Inputs.Single().Name, logits);
        session = new InferenceSession(forward.ToBytes(), options);
    }

    /// <summary>Logits of rows.</summary>
    /// <param name="rows">Which rows.</param>
    /// <param name="data">Where they come from.</param>
    /// <param name="source">The images.</param>
    /// <param name="classes">Number of classes.</param>
    /// <param name="workers">Rows at a time.</param>
    /// <param name="cancellation">Ends the work between two rows.</param>
    /// <returns>Logits [rows × classes].</returns>
    public float[] Score(
        IReadOnlyList<int> rows,
        BoundaryRows data,
        TrainingImages source,
        int classes,
        int workers,
        CancellationToken cancellation
    )
    {
        var logits = new float[rows.Count * classes];
        int next = -1;
        using var group = new WorkerGroup(cancellation);
        for (int w = 0; w < Math.Min(workers, rows.Count); w++)
            group.Start(token =>
            {
                using BoundaryReader reader = data.CreateReader();
                using RunOptions run = new();
                float[] row = GC.AllocateArray<float>(data.Length, pinned: true),
                    found = GC.AllocateArray<float>(classes, pinned: true);
                long[] shape =
                    session.InputMetadata[input].Dimensions.Length == 2
                        ? [1, data.Length]
                        : [1, 3, data.Preprocessing.Size, data.Preprocessing.Size];
                using OrtValue from = OrtValue.CreateTensorValueFromMemory(row, shape),
                    to = OrtValue.CreateTensorValueFromMemory(found, [1, classes]);
                for (int i; (i = Interlocked.Increment(ref next)) < rows.Count; )
                {
                    token.ThrowIfCancellationRequested();
                    reader.Read(source.Items[rows[i]], source.Digest(rows[i]), 0, row);
                    session.Run(run, [input], [from], [output], [to]);
                    found.CopyTo(logits.AsSpan(i * classes));
                }
            });
        group.Wait();
        return logits;
    }

    public void Dispose()
    {
        session.Dispose();
        options.Dispose();
    }
}
