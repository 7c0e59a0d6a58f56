using MlNetTransfer.Onnx.Proto;
using MlNetTransfer.Onnx.Torch.Modules;

namespace MlNetTransfer.Onnx.Torch.Conversion;

/// <summary>From a model to the tree of modules that all formats are written from.</summary>
internal static class TorchExport
{
    /// <exception cref="GraphException">The model has not one input, or something in it has no counterpart in
    /// torch.</exception>
    public static TorchProgram Program(OnnxModel model, TorchExportOptions? options)
    {
        string output =
            options?.Output
            ?? (model.Outputs.Count > 0 ? model.Outputs[0].Name : throw new GraphException("The model has no output."));
        OnnxModel cut = InitializerAliases.Expand(model).CutAt(output);
        if (cut.Inputs.Count != 1)
            throw new GraphException(
                $"'{output}' is computed from {cut.Inputs.Count} inputs "
                    + $"({string.Join(", ", cut.Inputs.Select(i => i.Name))}); a torch module for images takes one."
            );
        if (cut.Nodes.FirstOrDefault(n => Subgraphs.Of(n).Any()) is { } body)
            throw new GraphException(
                $"{NodeOrder.Describe(body)} has a graph of its own (If, Loop, Scan), which cannot be exported to "
                    + $"torch."
            );
        ValueInfoProto input = cut.Inputs[0];
        if (TensorShape.From(input) is not { Rank: > 0, ElementType: TensorProto.Types.DataType.Float })
            throw new GraphException($"Input '{input.Name}' must be float32 [N, ...] of known rank.");
        TorchProgram program = GraphConversion.Run(cut);
        BodyBuilder.Build(program);
        return program;
    }
}
