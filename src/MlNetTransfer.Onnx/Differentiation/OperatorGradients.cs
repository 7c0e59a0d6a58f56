using System.Collections.Frozen;
using MlNetTransfer.Onnx.Differentiation.Operators;

namespace MlNetTransfer.Onnx.Differentiation;

/// <summary>Every operator that can be differentiated. A new one is one file in Operators and one line here.</summary>
internal static class OperatorGradients
{
    /// <summary>Sorted by class name.</summary>
    private static readonly IOperatorGradient[] All =
    [
        new ActivationGradient(),
        new AddGradient(),
        new AveragePoolGradient(),
        new BatchNormalizationGradient(),
        new ClipGradient(),
        new ConcatGradient(),
        new ConvGradient(),
        new ConvTransposeGradient(),
        new DepthSpaceGradient(),
        new DivGradient(),
        new EinsumGradient(),
        new ExpandGradient(),
        new ExtremeGradient(),
        new FunctionGradient(),
        new GatherElementsGradient(),
        new GatherGradient(),
        new GemmGradient(),
        new GlobalAveragePoolGradient(),
        new GroupNormalizationGradient(),
        new IdentityGradient(),
        new InstanceNormalizationGradient(),
        new LayerNormalizationGradient(),
        new LogSoftmaxGradient(),
        new LrnGradient(),
        new MatMulGradient(),
        new MaxPoolGradient(),
        new MulGradient(),
        new NegGradient(),
        new PReluGradient(),
        new PadGradient(),
        new PowGradient(),
        new ReduceExtremeGradient(),
        new ReduceFunctionGradient(),
        new ReduceGradient(),
        new ReluGradient(),
        new ReshapeGradient(),
        new ResizeGradient(),
        new SliceGradient(),
        new SoftmaxGradient(),
        new SplitGradient(),
        new SubGradient(),
        new SumGradient(),
        new TileGradient(),
        new TransposeGradient(),
        new WhereGradient(),
    ];

    private static readonly FrozenDictionary<string, IOperatorGradient> ByOperator = All.SelectMany(g =>
            g.Operators.Select(o => (Operator: o, Gradient: g))
        )
        .ToFrozenDictionary(e => e.Operator, e => e.Gradient);

    /// <summary>Operator types that can be differentiated, sorted.</summary>
    public static IReadOnlyList<string> Supported { get; } = [.. ByOperator.Keys.Order(StringComparer.Ordinal)];

    /// <summary>The gradient of an operator; null where there is none.</summary>
    public static IOperatorGradient? Of(string operatorType) => ByOperator.GetValueOrDefault(operatorType);
}
