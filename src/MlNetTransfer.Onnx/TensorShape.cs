using Microsoft.ML.OnnxRuntime;
using Microsoft.ML.OnnxRuntime.Tensors;
using MlNetTransfer.Onnx.Proto;
using MlNetTransfer.Onnx.Runtime;
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

    internal static TensorShape Of(TensorProto constant) =>
        new((DataType)constant.DataType, [.. constant.Dims.Select(d => new Dimension(d))]);

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

/// <summary>Shapes of a model's tensors, as ONNX Runtime infers them.</summary>
public static class TensorShapes
{
    /// <summary>
    /// Element type and shape of each of the given tensors; unknown sizes come out as dynamic dimensions. Makes a
    /// session, so it costs milliseconds to seconds.
    /// </summary>
    /// <param name="model">The model.</param>
    /// <param name="tensors">Names of outputs of nodes, at least one.</param>
    /// <exception cref="GraphException">A tensor does not exist, or ONNX Runtime cannot load the model.</exception>
    public static IReadOnlyDictionary<string, TensorShape> Of(OnnxModel model, params IReadOnlyList<string> tensors)
    {
        OnnxModel cut = GraphCut.At(model, tensors, typed: false);
        try
        {
            return Inferred(WithoutWeights(cut), tensors);
        }
        catch (GraphException)
        {
            // Some operators want their weights as constants.
            return Inferred(cut, tensors);
        }
    }

    /// <summary>
    /// Shapes are those of weights, never their values: as inputs they need not be written out and read again.
    /// </summary>
    private static OnnxModel WithoutWeights(OnnxModel model) =>
        model.With(proto =>
        {
            TensorProto[] weights = [.. proto.Graph.Initializer.Where(IsWeight)],
                kept = [.. proto.Graph.Initializer.Where(i => !IsWeight(i))];
            HashSet<string> fed = [.. proto.Graph.Input.Select(i => i.Name)];
            proto.Graph.Initializer.Clear();
            proto.Graph.Initializer.AddRange(kept);
            proto.Graph.Input.AddRange(
                weights.Where(w => !fed.Contains(w.Name)).Select(w => TensorShape.Of(w).ToValueInfo(w.Name))
            );
        });

    /// <summary>Few numbers may be sizes, such as the factors by which an image grows.</summary>
    private static bool IsWeight(TensorProto tensor) =>
        (DataType)tensor.DataType is DataType.Float or DataType.Float16 or DataType.Double
        && tensor.Dims.Aggregate(1.0, (a, b) => a * b) > 64;

    private static Dictionary<string, TensorShape> Inferred(OnnxModel model, IReadOnlyList<string> tensors)
    {
        using OrtSession session = new(
            model.ToBytes(),
            OrtSettings.AsWritten with
            {
                Threads = 1,
            },
            $"the part of the model that computes {string.Join(", ", tensors)}"
        );
        return tensors.Distinct().ToDictionary(t => t, t => Shape(session.Outputs[t], t));
    }

    private static TensorShape Shape(NodeMetadata metadata, string tensor)
    {
        if (!metadata.IsTensor)
            throw new GraphException($"'{tensor}' is a {metadata.OnnxValueType}, not a tensor; choose a tensor.");
        IEnumerable<Dimension> dimensions = metadata.Dimensions.Zip(
            metadata.SymbolicDimensions,
            (size, symbol) => size >= 0 ? new Dimension(size) : new Dimension(null, symbol.Length == 0 ? null : symbol)
        );
        return new TensorShape(ToOnnx(metadata.ElementDataType), [.. dimensions]);
    }

    /// <summary>ONNX Runtime numbers element types as the ONNX IR does.</summary>
    private static DataType ToOnnx(TensorElementType type) => (DataType)(int)type;
}

/// <summary>
/// One dimension of a tensor's shape: a size, or a name for a size that is known only when the graph runs. Converts
/// from both, so a shape reads <c>["N", 3, 224, 224]</c>.
/// </summary>
/// <param name="Size">The size, 0 or more; null for a dynamic dimension.</param>
/// <param name="Symbol">Name of a dynamic dimension; null where it has none, or where the size is fixed.</param>
public readonly record struct Dimension(long? Size, string? Symbol = null)
{
    /// <summary>A fixed size.</summary>
    public static implicit operator Dimension(long size) => new(size);

    /// <summary>A dynamic dimension with a name; equal names are equal sizes.</summary>
    public static implicit operator Dimension(string symbol) => new(null, symbol);

    /// <summary>The size, the name, or "?".</summary>
    public override string ToString() =>
        Size is { } size ? size.ToString(System.Globalization.CultureInfo.InvariantCulture) : Symbol ?? "?";

    /// <summary>The size, or -1 for a dynamic dimension, as ONNX Runtime reports it.</summary>
    public long SizeOrMinusOne => Size ?? -1;
}
