using System.Collections.Frozen;
using MlNetTransfer.Graphs.Differentiation.Operators;

namespace MlNetTransfer.Graphs.Differentiation;

/// <summary>Every operator that can be differentiated. A new one is one file in Operators and one line here.</summary>
internal static class OperatorGradients
{
    /// <summary>Sorted by class name.</summary>
    private static readonly IOperatorGradient[] All =
    [
        new AddGradient(),
        new AveragePoolGradient(),
        new BatchNormalizationGradient(),
        new ClipGradient(),
        new ConcatGradient(),
        new ConvGradient(),
        new DivGradient(),
        new GemmGradient(),
        new GlobalAveragePoolGradient(),
        new IdentityGradient(),
        new MatMulGradient(),
        new MaxPoolGradient(),
        new MulGradient(),
        new ReduceGradient(),
        new ReluGradient(),
        new ReshapeGradient(),
        new SoftmaxGradient(),
        new SubGradient(),
        new TransposeGradient(),
    ];

    private static readonly FrozenDictionary<string, IOperatorGradient> ByOperator =
        All.SelectMany(g => g.Operators.Select(o => (Operator: o, Gradient: g))).ToFrozenDictionary(e => e.Operator, e => e.Gradient);

    /// <summary>Operator types that can be differentiated, sorted.</summary>
    public static IReadOnlyList<string> Supported { get; } = [.. ByOperator.Keys.Order(StringComparer.Ordinal)];

    /// <summary>The gradient of an operator; null where there is none.</summary>
    public static IOperatorGradient? Of(string operatorType) => ByOperator.GetValueOrDefault(operatorType);
}
