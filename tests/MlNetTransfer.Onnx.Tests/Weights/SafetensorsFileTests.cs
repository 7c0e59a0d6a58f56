using System.Buffers.Binary;
using System.Text;
using MlNetTransfer.Onnx.Weights;

namespace MlNetTransfer.Onnx.Tests.Weights;

[TestClass]
public sealed class SafetensorsFileTests
{
    /// <summary>Oracle: the format's description, written out by hand.</summary>
    [TestMethod]
    public void Parse_HandWrittenFile_GivesItsTensors()
    {
        byte[] data = [0, 0, 0x80, 0x3F, 0, 0, 0, 0xC0, 0x00, 0x3C, 0x80, 0x3F];
        SafetensorsFile file = SafetensorsFile.Parse(
            Bytes(
                """{"__metadata__":{"format":"pt"},"w":{"dtype":"F32","shape":[1,2],"data_offsets":[0,8]},"h":{"dtype":"F16","shape":[],"data_offsets":[8,10]},"b":{"dtype":"BF16","shape":[1],"data_offsets":[10,12]}}""",
                data
            ),
            "it"
        );
        CollectionAssert.AreEqual((float[])[1, -2], file.Tensors["w"].ToFloats());
        CollectionAssert.AreEqual((long[])[1, 2], file.Tensors["w"].Shape.ToArray());
        CollectionAssert.AreEqual((float[])[1], file.Tensors["h"].ToFloats());
        CollectionAssert.AreEqual((float[])[1], file.Tensors["b"].ToFloats());
        Assert.AreEqual("pt", file.Metadata["format"]);
    }

    [TestMethod]
    public void Write_ThenParse_GivesTheSameAndEqualContentEqualBytes()
    {
        Dictionary<string, SafeTensor> tensors = new()
        {
            ["b"] = SafeTensor.Of([1.5f, float.NaN, -0f], 3),
            ["a \"é"] = new SafeTensor(SafeTensorType.I64, [1], BitConverter.GetBytes(7L)),
            ["empty"] = SafeTensor.Of([], 0, 4),
        };
        byte[] bytes = Written(new SafetensorsFile(tensors, new Dictionary<string, string> { ["k"] = "v" }));
        SafetensorsFile found = SafetensorsFile.Parse(bytes, "it");
        CollectionAssert.AreEquivalent(tensors.Keys, found.Tensors.Keys.ToArray());
        foreach ((string name, SafeTensor tensor) in tensors)
            CollectionAssert.AreEqual(tensor.Data.ToArray(), found.Tensors[name].Data.ToArray());
        CollectionAssert.AreEqual(
            bytes,
            Written(
                new SafetensorsFile(tensors.Reverse().ToDictionary(), new Dictionary<string, string> { ["k"] = "v" })
            )
        );
        Assert.AreEqual(0UL, BinaryPrimitives.ReadUInt64LittleEndian(bytes) % 8, "data begins at a multiple of 8");
        Assert.ThrowsExactly<GraphException>(() => found.Tensors["a \"é"].ToFloats());
    }

    [TestMethod]
    [DataRow("""{"w":{"dtype":"F32","shape":[3],"data_offsets":[0,8]}}""", "needs 12 bytes")]
    [DataRow("""{"w":{"dtype":"F32","shape":[2],"data_offsets":[0,16]}}""", "of 8 bytes")]
    [DataRow("""{"w":{"dtype":"F32","shape":[1],"data_offsets":[4,8]}}""", "0 was expected")]
    [DataRow("""{"w":{"dtype":"F32","shape":[1],"data_offsets":[0,4]}}""", "4 bytes, the data 8")]
    [DataRow(
        """{"w":{"dtype":"F32","shape":[2],"data_offsets":[0,8]},"v":{"dtype":"F32","shape":[1],"data_offsets":[4,8]}}""",
        "overlap"
    )]
    [DataRow("""{"w":{"dtype":"F32","shape":[-2],"data_offsets":[0,8]}}""", "negative")]
    [DataRow("""{"w":{"dtype":"F32","shape":[4611686018427387904,8],"data_offsets":[0,8]}}""", "")]
    [DataRow("""{"w":{"dtype":"F3","shape":[2],"data_offsets":[0,8]}}""", "'F3'")]
    [DataRow("""{"w":{"dtype":"F32","shape":[2],"data_offsets":[8,0]}}""", "[8, 0]")]
    [DataRow("""{"w":{"shape":[2],"data_offsets":[0,8]}}""", "")]
    [DataRow("""[1]""", "no JSON object")]
    [DataRow("""{""", "")]
    public void Parse_DamagedHeader_IsRefused(string header, string expected)
    {
        GraphException error = Assert.ThrowsExactly<GraphException>(() =>
            SafetensorsFile.Parse(Bytes(header, new byte[8]), "'x.safetensors'")
        );
        StringAssert.Contains(error.Message, "'x.safetensors' is no safetensors file");
        StringAssert.Contains(error.Message, expected);
    }

    [TestMethod]
    public void Parse_CutShortAnywhere_IsRefused()
    {
        byte[] whole = Written(
            new SafetensorsFile(new Dictionary<string, SafeTensor> { ["w"] = SafeTensor.Of([1, 2, 3], 3) })
        );
        for (int length = 0; length < whole.Length; length++)
            Assert.ThrowsExactly<GraphException>(() => SafetensorsFile.Parse(whole[..length], "it"));
        BinaryPrimitives.WriteUInt64LittleEndian(whole, ulong.MaxValue);
        Assert.ThrowsExactly<GraphException>(() => SafetensorsFile.Parse(whole, "it"));
    }

    private static byte[] Written(SafetensorsFile file)
    {
        using MemoryStream stream = new();
        file.Write(stream);
        return stream.ToArray();
    }

    private static byte[] Bytes(string header, byte[] data)
    {
        byte[] text = Encoding.UTF8.GetBytes(header),
            length = new byte[8];
        BinaryPrimitives.WriteUInt64LittleEndian(length, (ulong)text.Length);
        return [.. length, .. text, .. data];
    }
}
