using MlNetTransfer.Onnx.Proto;
using DataType = MlNetTransfer.Onnx.Proto.TensorProto.Types.DataType;

namespace MlNetTransfer.Onnx;

/// <summary>Element type and shape of a tensor.</summary>
/// <param name="ElementType">Type of the elements.</param>
/// <param name="Dimensions">Outermost first; empty for a scalar.</param>
public sealed record TensorShape(DataType ElementType, IReadOnlyList<Dimension> Dimensions)
{
    /// <summary>Number of dimensions.</summary>
    public int Rank => Dimensions.Count;

    /// <summary>For example <c>Float [N, 3, 224, 224]</c>.</summary>
    public override string ToString() => $"{ElementType} [{string.Join(", ", Dimensions)}]";

    internal ValueInfoProto ToValueInfo(string name)
    {
        TensorShapeProto shape = new();
        foreach (Dimension dimension in Dimensions)
            shape.Dim.Add(ToProto(dimension));
        return new ValueInfoProto
        {
            Name = name,
            Type = new TypeProto
            {
                TensorType = new TypeProto.Types.Tensor { ElemType = (int)ElementType, Shape = shape },
            },
        };
    }

    internal static TensorShape? From(ValueInfoProto info) =>
        info.Type?.TensorType is { Shape: { } shape } tensor && tensor.ElemType != 0
            ? new TensorShape((DataType)tensor.ElemType, [.. shape.Dim.Select(FromProto)])
            : null;

    private static TensorShapeProto.Types.Dimension ToProto(Dimension dimension) =>
        dimension.Size is { } size ? new() { DimValue = size }
        : string.IsNullOrEmpty(dimension.Symbol) ? new()
        : new() { DimParam = dimension.Symbol };

    private static Dimension FromProto(TensorShapeProto.Types.Dimension dimension) =>
        dimension.HasDimValue ? new(dimension.DimValue) : new(null, dimension.HasDimParam ? dimension.DimParam : null);
}
