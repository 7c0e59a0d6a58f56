namespace MlNetTransfer.Onnx.Training;

/// <summary>A node that no gradient can pass.</summary>
/// <param name="Node">Name of the node; empty where it has none.</param>
/// <param name="Operator">Its operator.</param>
/// <param name="Parameters">The parameters below it: to be frozen.</param>
/// <param name="Message">What is missing and what to do; fit to be printed as it is.</param>
public sealed record UnsupportedNode(string Node, string Operator, IReadOnlyList<string> Parameters, string Message);
