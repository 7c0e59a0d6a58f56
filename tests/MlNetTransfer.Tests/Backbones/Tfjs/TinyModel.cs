using System.Globalization;
using System.Text;
using MlNetTransfer.Backbones.Tfjs;
using MlNetTransfer.Onnx;
using MlNetTransfer.Tests.Shared;

namespace MlNetTransfer.Tests.Backbones.Tfjs;

/// <summary>
/// Writes small TF.js models by hand, imports them, and runs them on ONNX Runtime. JSON is written with single quotes.
/// </summary>
internal sealed class TinyModel(int size)
{
    private readonly List<string> entries = [];
    private readonly List<byte> bytes = [];

    public TinyModel Weight(string name, long[] shape, float[] values)
    {
        foreach (float value in values)
            bytes.AddRange(BitConverter.GetBytes(value));
        return Entry(name, shape, "'dtype':'float32'");
    }

    public TinyModel Raw(string name, long[] shape, byte[] bytes, string type)
    {
        this.bytes.AddRange(bytes);
        return Entry(name, shape, type);
    }

    public static string Layer(string className, string name, string config, params string[] inbound)
    {
        string inputs = string.Join(",", (inbound.Length == 0 ? ["in"] : inbound).Select(i => $"['{i}',0,0,{{}}]"));
        return $"{{'class_name':'{className}','name':'{name}','config':{{'name':'{name}'{(config.Length > 0 ? "," + config : "")}}},'inbound_nodes':[[{inputs}]]}}";
    }

    public string WriteLayers(string folder, params string[] layers)
    {
        string last = layers[^1].Split("'name':'")[1].Split('\'')[0];
        string input =
            $"{{'class_name':'InputLayer','name':'in','config':{{'name':'in','batch_input_shape':[null,{size},{size},3]}},'inbound_nodes':[]}}";
        return Write(
            folder,
            $"{{'model_config':{{'class_name':'Model','config':{{'name':'m','layers':[{input},{string.Join(",", layers)}],'input_layers':[['in',0,0]],'output_layers':[['{last}',0,0]]}}}}}}"
        );
    }

    public string Write(string folder, string topology)
    {
        File.WriteAllBytes(Path.Combine(folder, "weights.bin"), [.. bytes]);
        string file = Path.Combine(folder, "model.json");
        File.WriteAllText(
            file,
            $"{{'format':'x','modelTopology':{topology},'weightsManifest':[{{'paths':['weights.bin'],'weights':[{string.Join(",", entries)}]}}]}}".Replace(
                '\'',
                '"'
            )
        );
        return file;
    }

    public static string Node(string op, string name, string attributes, params string[] inputs) =>
        $"{{'name':'{name}','op':'{op}','input':[{string.Join(",", inputs.Select(i => $"'{i}'"))}],'attr':{{{attributes}}}}}";

    public static string Text(string key, string value) =>
        $"'{key}':{{'s':'{Convert.ToBase64String(Encoding.UTF8.GetBytes(value))}'}}";

    public static string Integers(string key, params long[] values) =>
        $"'{key}':{{'list':{{'i':[{string.Join(",", values.Select(v => $"'{v.ToString(CultureInfo.InvariantCulture)}'"))}]}}}}";

    public OnnxModel ImportLayers(params string[] layers)
    {
        using TempFolder folder = new();
        return TfjsImporter.Import(WriteLayers(folder.Path, layers));
    }

    /// <summary>Imports a graph of these nodes, with a placeholder 'in' and a Const for every weight.</summary>
    public OnnxModel ImportGraph(params string[] nodes)
    {
        using TempFolder folder = new();
        string[] constants = [.. entries.Select(e => Node("Const", e.Split("'name':'")[1].Split('\'')[0], ""))];
        string input = Node(
            "Placeholder",
            "in",
            $"'shape':{{'shape':{{'dim':[{{'size':'-1'}},{{'size':'{size}'}},{{'size':'{size}'}},{{'size':'3'}}]}}}}"
        );
        return TfjsImporter.Import(
            Write(folder.Path, $"{{'node':[{string.Join(",", [.. nodes.Reverse(), input, .. constants])}]}}")
        );
    }

    /// <summary>Runs a model on one NHWC image [size, size, 3]; returns its output as ONNX has it.</summary>
    public float[] Run(OnnxModel model, Func<int, int, int, float> pixel, string? tensor = null)
    {
        float[] image =
        [
            .. from c in Enumerable.Range(0, 3)
            from y in Enumerable.Range(0, size)
            from x in Enumerable.Range(0, size)
            select pixel(y, x, c),
        ];
        string name = tensor ?? model.Outputs.Single().Name;
        return Ort.Run(model.CutAt(name), ("image", image, [1, 3, size, size]))[name];
    }

    private TinyModel Entry(string name, long[] shape, string type)
    {
        entries.Add($"{{'name':'{name}','shape':[{string.Join(",", shape)}],{type}}}");
        return this;
    }
}
