using Microsoft.ML.OnnxRuntime;
using Microsoft.ML.OnnxRuntime.Tensors;
using MlNetTransfer.Backbones;

namespace MlNetTransfer.Pipelines;

/// <summary>Any ONNX graph with one float input and one float output, run row by row by many threads; rows and results stay where they are, nothing is copied.</summary>
internal sealed class OnnxGraph : IDisposable
{
    private readonly SessionOptions options;
    private readonly InferenceSession session;
    private readonly RunOptions run = new();
    private readonly long[] inputShape;
    private readonly string input;
    private readonly string output;

    /// <param name="name">How the graph is called in errors.</param>
    /// <param name="onnx">The ONNX file's bytes.</param>
    /// <param name="shape">Dimensions of a row, without the batch.</param>
    /// <param name="plan">How the graph is run.</param>
    /// <exception cref="TransferException">The graph does not load.</exception>
    /// <exception cref="SchemaException">It takes other rows.</exception>
    public OnnxGraph(string name, byte[] onnx, IReadOnlyList<int> shape, ExecutionPlan plan)
    {
        options = plan.CreateSessionOptions();
        try
        {
            session = new InferenceSession(onnx, options);
            OpenSessions.Opened();
            if (session.InputMetadata.Count != 1) throw new SchemaException($"'{name}' has {session.InputMetadata.Count} inputs ({string.Join(", ", session.InputMetadata.Keys)}); exactly one was expected.");
            (input, NodeMetadata row) = session.InputMetadata.Single();
            output = session.OutputMetadata.Keys.First();
            int[] dimensions = row.Dimensions;
            if (row.ElementDataType != TensorElementType.Float || dimensions.Length != shape.Count + 1 || dimensions.Skip(1).Zip(shape).Any(d => d.First >= 0 && d.First != d.Second))
                throw new SchemaException($"'{name}' takes {row.ElementDataType} [{string.Join(", ", dimensions.Select(d => d < 0 ? "N" : $"{d}"))}], the column has vectors [{string.Join(", ", shape)}]. Choose a size and layout that fit.");
            if (session.OutputMetadata[output].ElementDataType != TensorElementType.Float)
                throw new SchemaException($"'{name}' gives {session.OutputMetadata[output].ElementDataType}; Float was expected. Choose another tensor.");
            inputShape = [1, .. shape.Select(d => (long)d)];
            OutputShape = Probe();
        }
        catch (OnnxRuntimeException e)
        {
            Dispose();
            throw new TransferException($"'{name}' cannot be run by ONNX Runtime: {e.Message.Trim()}", e);
        }
        catch
        {
            Dispose();
            throw;
        }
    }

    /// <summary>Dimensions of a result, without the batch; at least one.</summary>
    public IReadOnlyList<int> OutputShape { get; }

    /// <summary>Runs one row.</summary>
    /// <param name="row">The input [product of its shape].</param>
    /// <param name="result">Receives the output [product of <see cref="OutputShape"/>].</param>
    public void Run(Memory<float> row, Memory<float> result)
    {
        using OrtValue from = OrtValue.CreateTensorValueFromMemory(OrtMemoryInfo.DefaultInstance, row, inputShape);
        using OrtValue to = OrtValue.CreateTensorValueFromMemory(OrtMemoryInfo.DefaultInstance, result, [1, .. OutputShape.Select(d => (long)d)]);
        session.Run(run, [input], [from], [output], [to]);
    }

    public void Dispose()
    {
        run.Dispose();
        if (session is not null)
        {
            session.Dispose();
            OpenSessions.Closed();
        }

        options.Dispose();
    }

    /// <summary>Dimensions that the file leaves open are those that come out.</summary>
    private int[] Probe()
    {
        using OrtValue zeros = OrtValue.CreateTensorValueFromMemory(new float[inputShape.Aggregate(1L, (a, b) => a * b)], inputShape);
        using IDisposableReadOnlyCollection<OrtValue> results = session.Run(run, [input], [zeros], [output]);
        int[] shape = [.. results[0].GetTensorTypeAndShape().Shape.Select(d => (int)d)];
        return shape is [1, .. { Length: > 0 } rest] ? rest : throw new SchemaException($"for one row the graph gives [{string.Join(", ", shape)}]; [1, ...] was expected. Choose a tensor that keeps the batch.");
    }
}
