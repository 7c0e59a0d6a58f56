using System.Text;
using MlNetTransfer.Onnx.Torch.Modules;

namespace MlNetTransfer.Onnx.Torch.Script;

/// <summary>The classes of a TorchScript archive: one per kind of module; modules that read alike share one.</summary>
internal sealed class ScriptClasses
{
    private readonly Dictionary<string, string> names = [];
    private readonly Dictionary<TorchModule, string> classOf = [];
    private readonly HashSet<string> taken = [];
    private readonly StringBuilder code = new();

    public ScriptClasses(TorchModule root)
    {
        foreach (TorchModule module in root.Descendants.Reverse())
            Define(module);
    }

    /// <summary>Content of code/__torch__.py.</summary>
    public string Code => code.ToString();

    /// <summary>Name of a module's class in <c>__torch__</c>.</summary>
    public string this[TorchModule module] => classOf[module];

    private void Define(TorchModule module)
    {
        StringBuilder text = new();
        text.Append("  __parameters__ = [")
            .Append(string.Concat(module.Tensors.Where(t => t.IsParameter).Select(t => $"\"{t.Name}\", ")))
            .Append("]\n");
        text.Append("  __buffers__ = [")
            .Append(string.Concat(module.Tensors.Where(t => !t.IsParameter).Select(t => $"\"{t.Name}\", ")))
            .Append("]\n");
        foreach (TorchTensor tensor in module.Tensors)
            text.Append(Declaration(tensor.Name, "Tensor"));
        text.Append("  training : bool\n");
        foreach (TorchModule child in module.Children)
            text.Append(Declaration(child.Name, "__torch__." + classOf[child]));
        string forward =
            module.Layer is { } layer
                ? "  def forward(self: __torch__.{0},\n    x: Tensor) -> Tensor:\n"
                    + string.Concat(layer.Script.Select(l => $"    {l}\n"))
            : module.Body is { } body ? new ScriptForward(module, body).Text
            : "";
        string key = text + forward;
        if (!names.TryGetValue(key, out string? name))
        {
            names[key] = name = NameAllocator.First(Wanted(module), taken);
            taken.Add(name);
            code.Append("class ")
                .Append(name)
                .Append("(Module):\n")
                .Append(text)
                .Append(forward.Replace("{0}", name, StringComparison.Ordinal));
        }

        classOf[module] = name;
    }

    private static string Declaration(string name, string type) =>
        ScriptNames.IsIdentifier(name) ? $"  {name} : {type}\n" : $"  __annotations__[\"{name}\"] = {type}\n";

    private static string Wanted(TorchModule module)
    {
        if (module.Layer is { } layer)
            return layer.Kind;
        string path = module.Path.Replace('.', '_');
        return path.Length == 0 ? "Model"
            : char.IsAsciiLetter(path[0]) ? char.ToUpperInvariant(path[0]) + path[1..]
            : "Block_" + path;
    }
}
