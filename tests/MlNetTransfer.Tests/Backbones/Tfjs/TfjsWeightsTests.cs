using System.Text;
using System.Text.Json;
using MlNetTransfer.Backbones.Tfjs;
using MlNetTransfer.Tests.Shared;

namespace MlNetTransfer.Tests.Backbones.Tfjs;

[TestClass]
public sealed class TfjsWeightsTests
{
    [TestMethod]
    public void Read_EveryType_DequantisesAsTfjsDoes()
    {
        const string manifest = """
            {"weightsManifest":[{"paths":["s1","s2"],"weights":[
              {"name":"q8","shape":[2],"dtype":"float32","quantization":{"dtype":"uint8","scale":0.5,"min":-1}},
              {"name":"q16","shape":[1],"dtype":"float32","quantization":{"dtype":"uint16","scale":0.25,"min":2}},
              {"name":"half","shape":[1],"dtype":"float32","quantization":{"dtype":"float16"}},
              {"name":"f","shape":[],"dtype":"float32"},
              {"name":"i","shape":[1],"dtype":"int32"}]}]}
            """;
        byte[] bytes = [0, 255, 0x00, 0x01, 0x00, 0x3E, .. BitConverter.GetBytes(1.25f), .. BitConverter.GetBytes(-7)];
        using JsonDocument json = JsonDocument.Parse(manifest);
        Dictionary<string, TfTensor> weights = TfjsWeights.Read(
            json.RootElement,
            "m",
            path => path == "s1" ? bytes[..3] : bytes[3..]
        );
        CollectionAssert.AreEqual(new[] { -1f, 126.5f }, weights["q8"].Values);
        CollectionAssert.AreEqual(new[] { 66f }, weights["q16"].Values);
        CollectionAssert.AreEqual(new[] { 1.5f }, weights["half"].Values);
        CollectionAssert.AreEqual(new[] { 1.25f }, weights["f"].Values);
        CollectionAssert.AreEqual(new long[] { -7 }, weights["i"].ToIntegers());
        StringAssert.Contains(
            Assert
                .ThrowsExactly<TfjsException>(() =>
                    TfjsWeights.Read(json.RootElement, "m", path => path == "s1" ? bytes : bytes[3..])
                )
                .Message,
            "belong to another model"
        );
        StringAssert.Contains(
            Assert
                .ThrowsExactly<TfjsException>(() =>
                    TfjsWeights.Read(json.RootElement, "m", path => path == "s1" ? [] : bytes[^3..])
                )
                .Message,
            "are left"
        );
    }

    [TestMethod]
    public void ModuleAndShard_AsMinified_AreReadWithoutRunning()
    {
        using TempFolder folder = new();
        const string wrapper =
            "!function(a){if(\"object\"==typeof exports)module.exports=a();}(function(){return function "
            + "t(){}({1:[function(e,a,n){a.exports=";
        File.WriteAllText(
            folder.File("model.min.js"),
            wrapper
                + "{a:-.5,'b-c':[!0,!1,null,void 0,1e-7,8.999e-7],d:{$e_1:'it\\'s "
                + "\"q\"',f:\"x\\ny\"},g:[],h:{}}},{}]},{},[1])(1)});"
        );
        using JsonDocument json = JavaScriptModule.ExportedObject(File.ReadAllText(folder.File("model.min.js")), "f");
        Assert.AreEqual(
            """{"a":-0.5,"b-c":[true,false,null,null,1E-07,8.999E-07],"d":{"$e_1":"it's \"q\"","f":"x\ny"},"g":[],"h":{}}""",
            json.RootElement.GetRawText()
        );
        CollectionAssert.AreEqual(
            "hello"u8.ToArray(),
            JavaScriptModule.ExportedBytes(
                wrapper + $"\"{Convert.ToBase64String(Encoding.ASCII.GetBytes("hello"))}\"}},{{}}]",
                "f"
            )
        );
    }

    [TestMethod]
    [DataRow("a.exports={a:require('fs')}", "'r'")]
    [DataRow("a.exports={a:1+b}", "'1+'")]
    [DataRow("a.exports={a:(1)}", "'('")]
    [DataRow("a.exports={a:`x`}", "'`'")]
    [DataRow("a.exports={a:1", "the end of the file")]
    [DataRow("a.exports=f()", "found no")]
    [DataRow("a.exports={a:!x}", "an expression")]
    public void Module_WithCode_IsRefused(string script, string expected) =>
        StringAssert.Contains(
            Assert.ThrowsExactly<TfjsException>(() => JavaScriptModule.ExportedObject(script, "file.js")).Message,
            expected
        );

    [TestMethod]
    public void Module_NestedTooDeep_IsRefused() =>
        StringAssert.Contains(
            Assert
                .ThrowsExactly<TfjsException>(() =>
                    JavaScriptModule.ExportedObject("a.exports={a:" + new string('[', 100_000), "f")
                )
                .Message,
            "nested"
        );

    [TestMethod]
    [DataRow("hello")]
    [DataRow("{\"modelTopology\":{}}")]
    [DataRow("{\"modelTopology\":{},\"weightsManifest\":[]}")]
    [DataRow("{\"modelTopology\":{\"node\":[{}]},\"weightsManifest\":[]}")]
    [DataRow("{\"modelTopology\":{\"model_config\":{\"class_name\":\"Model\",\"config\":{}}},\"weightsManifest\":[]}")]
    [DataRow("{\"modelTopology\":{},\"weightsManifest\":[{\"paths\":[\"nope\"],\"weights\":[]}]}")]
    public void Import_FileThatIsNoModel_NamesTheFile(string text)
    {
        using TempFolder folder = new();
        File.WriteAllText(folder.File("model.json"), text);
        StringAssert.Contains(
            Assert.ThrowsExactly<TfjsException>(() => TfjsImporter.Import(folder.File("model.json"))).Message,
            folder.File("model.json")
        );
    }
}
