namespace MlNetTransfer.Onnx.Differentiation.Operators;

/// <summary>
/// Einstein sums of one or two tensors: the gradient of one is the sum of dy with the other, over the labels it lacks;
/// labels that only it has are repeated.
/// </summary>
internal sealed class EinsumGradient : IOperatorGradient
{
    public IReadOnlyList<string> Operators => ["Einsum"];

    public IReadOnlyList<Gradient?> Backward(BackwardNode node)
    {
        string equation = string.Concat(node.Text("equation", "").Where(c => !char.IsWhiteSpace(c)));
        string[] sides = equation.Split("->");
        string[] terms = sides[0].Split(',');
        if (
            equation.Contains('.', StringComparison.Ordinal)
            || terms.Length > 2
            || terms.Any(t => t.Distinct().Count() != t.Length)
        )
            throw node.Unsupported(
                $"equation '{equation}' (only one or two tensors, each label once per tensor, and no ellipsis)"
            );
        string result =
            sides.Length > 1
                ? sides[1]
                : string.Concat(
                    sides[0]
                        .Where(char.IsAsciiLetter)
                        .GroupBy(c => c)
                        .Where(g => g.Count() == 1)
                        .Select(g => g.Key)
                        .Order()
                );
        return [.. terms.Select((_, i) => node.Needs(i) ? Of(node, terms, result, i) : null)];
    }

    private static string Of(BackwardNode node, string[] terms, string result, int input)
    {
        string own = terms[input],
            other = terms.Length == 2 ? terms[1 - input] : "";
        string made = string.Concat(
            own.Where(c => result.Contains(c, StringComparison.Ordinal) || other.Contains(c, StringComparison.Ordinal))
        );
        string dy = node.OutputGradient();
        string sum =
            terms.Length == 2
                ? node.Graph.Node(
                    "Einsum",
                    [dy, node.Input(1 - input)],
                    Attributes.Of("equation", $"{result},{other}->{made}")
                )
                : node.Graph.Node("Einsum", [dy], Attributes.Of("equation", $"{result}->{made}"));
        if (made == own)
            return sum;
        long[] shape = node.InputShape(input);
        return node.Graph.Expand(
            node.Graph.Reshape(
                sum,
                [.. own.Select((label, i) => made.Contains(label, StringComparison.Ordinal) ? shape[i] : 1)]
            ),
            shape
        );
    }
}
