using System.Collections.Frozen;
using MlNetTransfer.Onnx.Torch.Operators;

namespace MlNetTransfer.Onnx.Torch.Conversion;

/// <summary>
/// Every operator that can be exported to torch. A new family is one file in Operators and one line here.
/// </summary>
internal static class TorchOperators
{
    /// <summary>Sorted by class name.</summary>
    private static readonly ITorchOperator[] All =
    [
        new ActivationOperators(),
        new AveragePoolOperator(),
        new BatchNormalizationOperator(),
        new BinaryOperators(),
        new CastOperator(),
        new ClipOperator(),
        new ConcatOperator(),
        new ConvOperator(),
        new ConvTransposeOperator(),
        new DepthToSpaceOperator(),
        new DropoutOperator(),
        new ExpandOperator(),
        new GatherOperator(),
        new GemmOperator(),
        new GlobalPoolOperators(),
        new IdentityOperator(),
        new InstanceNormalizationOperator(),
        new LayerNormalizationOperator(),
        new MatMulOperator(),
        new MaxPoolOperator(),
        new PadOperator(),
        new PReluOperator(),
        new ReduceOperators(),
        new ReshapeOperators(),
        new ResizeOperator(),
        new SelectionOperators(),
        new SliceOperator(),
        new SoftmaxOperators(),
        new SplitOperator(),
        new TransposeOperator(),
        new UnaryOperators(),
        new WhereOperator(),
    ];

    private static readonly FrozenDictionary<string, ITorchOperator> ByOperator = All.SelectMany(g =>
            g.Operators.Select(o => (Operator: o, Converter: g))
        )
        .ToFrozenDictionary(e => e.Operator, e => e.Converter);

    /// <summary>Operator types that can be exported, sorted.</summary>
    public static IReadOnlyList<string> Supported { get; } = [.. ByOperator.Keys.Order(StringComparer.Ordinal)];

    /// <summary>The converter of an operator; null where there is none.</summary>
    public static ITorchOperator? Of(string operatorType) => ByOperator.GetValueOrDefault(operatorType);
}
