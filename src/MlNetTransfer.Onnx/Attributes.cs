using Google.Protobuf;
using MlNetTransfer.Onnx.Proto;
using AttributeType = MlNetTransfer.Onnx.Proto.AttributeProto.Types.AttributeType;

namespace MlNetTransfer.Onnx;

/// <summary>
/// Makes attributes of ONNX nodes: <c>Attributes.Of("strides", [2, 2])</c>. The type of the value is the type of the
/// attribute, so a float attribute needs a float: <c>1f</c>.
/// </summary>
public static class Attributes
{
    /// <summary>An int64 attribute.</summary>
    public static AttributeProto Of(string name, long value) =>
        new()
        {
            Name = name,
            Type = AttributeType.Int,
            I = value,
        };

    /// <summary>A float32 attribute.</summary>
    public static AttributeProto Of(string name, float value) =>
        new()
        {
            Name = name,
            Type = AttributeType.Float,
            F = value,
        };

    /// <summary>A string attribute, UTF-8.</summary>
    public static AttributeProto Of(string name, string value) =>
        new()
        {
            Name = name,
            Type = AttributeType.String,
            S = ByteString.CopyFromUtf8(value),
        };

    /// <summary>An attribute of int64 values.</summary>
    public static AttributeProto Of(string name, ReadOnlySpan<long> values) =>
        new()
        {
            Name = name,
            Type = AttributeType.Ints,
            Ints = { values.ToArray() },
        };

    /// <summary>An attribute of float32 values.</summary>
    public static AttributeProto Of(string name, ReadOnlySpan<float> values) =>
        new()
        {
            Name = name,
            Type = AttributeType.Floats,
            Floats = { values.ToArray() },
        };

    /// <summary>A tensor attribute.</summary>
    public static AttributeProto Of(string name, TensorProto value) =>
        new()
        {
            Name = name,
            Type = AttributeType.Tensor,
            T = value,
        };

    /// <summary>A subgraph: the body of If, Loop or Scan.</summary>
    public static AttributeProto Of(string name, GraphProto value) =>
        new()
        {
            Name = name,
            Type = AttributeType.Graph,
            G = value,
        };
}
