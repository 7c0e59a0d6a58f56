using Google.Protobuf;
using Google.Protobuf.Reflection;
using MlNetTransfer.Onnx.Proto;
using MlNetTransfer.Tests.Shared;

namespace MlNetTransfer.Onnx.Tests;

[TestClass]
public sealed class OnnxProtoTests
{
    /// <summary>
    /// Oracle: the descriptor inside python3-onnx. Every field it has must be ours with the same number, type, label
    /// and packing; ours may have later ones.
    /// </summary>
    [TestMethod]
    public void Schema_AgainstPythonOnnx_EveryFieldAgrees()
    {
        Python.Require("onnx");
        HashSet<string> ours = [.. OnnxReflection.Descriptor.MessageTypes.SelectMany(Describe)];
        string[] theirs = Python
            .Run(
                """
                from onnx import onnx_ml_pb2 as o
                def show(m):
                    for f in m.fields:
                        kind = f.message_type.name if f.message_type else f.enum_type.name if f.enum_type else str(f.type)
                        print(m.name, f.name, f.number, 'repeated' if f.label == 3 else 'single', kind, f.GetOptions().packed, f.containing_oneof.name if f.containing_oneof else '-')
                    for e in m.enum_types:
                        for v in e.values: print(e.name, v.name, v.number)
                    for n in m.nested_types: show(n)
                for m in o.DESCRIPTOR.message_types_by_name.values(): show(m)
                """
            )
            .Split('\n', StringSplitOptions.RemoveEmptyEntries);
        Assert.IsGreaterThan(130, theirs.Length);
        CollectionAssert.AreEqual(Array.Empty<string>(), theirs.Where(line => !ours.Contains(line)).ToArray());
    }

    /// <summary>Field 1000 as a varint, at the top and inside the graph: neither is in our schema.</summary>
    [TestMethod]
    public void Unknown_Fields_SurviveARoundTrip()
    {
        byte[] unknown = [0xC0, 0x3E, 0x2A];
        ModelProto chain = Models.Chain().ToProto();
        chain.Graph = GraphProto.Parser.ParseFrom([.. chain.Graph.ToByteArray(), .. unknown]);
        byte[] bytes = [.. chain.ToByteArray(), .. unknown];
        OnnxModel model = OnnxModel.Parse(bytes).WithMetadata("key", "value").WithMetadata("key", null);
        Assert.AreEqual(2, CountOf(unknown, model.ToBytes()));
        Assert.AreEqual(2, CountOf(unknown, model.CutAt("b").ToBytes()));
    }

    private static int CountOf(byte[] needle, byte[] bytes) =>
        Enumerable
            .Range(0, bytes.Length - needle.Length + 1)
            .Count(i => bytes.AsSpan(i, needle.Length).SequenceEqual(needle));

    private static IEnumerable<string> Describe(MessageDescriptor message) =>
        message
            .Fields.InDeclarationOrder()
            .Select(f =>
                $"{message.Name} {f.Name} {f.FieldNumber} {(f.IsRepeated ? "repeated" : "single")} {Kind(f)} "
                + $"{f.IsPacked} {f.RealContainingOneof?.Name ?? "-"}"
            )
            .Concat(message.EnumTypes.SelectMany(e => e.Values.Select(v => $"{e.Name} {v.Name} {v.Number}")))
            .Concat(message.NestedTypes.SelectMany(Describe));

    private static string Kind(FieldDescriptor field) =>
        field.FieldType switch
        {
            FieldType.Message => field.MessageType.Name,
            FieldType.Enum => field.EnumType.Name,
            _ => ((int)field.ToProto().Type).ToString(System.Globalization.CultureInfo.InvariantCulture),
        };
}
