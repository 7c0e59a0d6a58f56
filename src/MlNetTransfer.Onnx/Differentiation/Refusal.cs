using MlNetTransfer.Onnx.Proto;

namespace MlNetTransfer.Onnx.Differentiation;

/// <summary>Errors of nodes that cannot be differentiated: they name the node and what to freeze instead.</summary>
internal static class Refusal
{
    /// <summary>The operator has no gradient.</summary>
    public static GraphException Of(NodeProto node) =>
        new(
            $"{Describe(node)} lies between the parameters to train and the loss, and {node.OpType} has no gradient "
                + $"here. Freeze every parameter up to {Outputs(node)}, so that only later ones are trained. "
                + $"Operators with a gradient: {string.Join(", ", OperatorGradients.Supported)}."
        );

    /// <summary>The operator has a gradient, but not in this form.</summary>
    public static GraphException Of(NodeProto node, string form) =>
        new(
            $"{Describe(node)} lies between the parameters to train and the loss, and {node.OpType} has no gradient "
                + $"here with {form}. Freeze every parameter up to {Outputs(node)}, so that only later ones are "
                + $"trained."
        );

    /// <summary>A tensor to train that the outputs do not depend on, or only by its shape.</summary>
    public static GraphException NoInfluence(string tensor) =>
        new($"'{tensor}' has no influence on the outputs, so it cannot be trained. Leave it out of the parameters.");

    private static string Describe(NodeProto node) =>
        NodeOrder.Describe(node) + (OperatorSets.IsDefault(node.Domain) ? "" : $" of domain '{node.Domain}'");

    private static string Outputs(NodeProto node) =>
        string.Join(", ", node.Output.Where(o => o.Length > 0).Select(o => $"'{o}'"));
}
