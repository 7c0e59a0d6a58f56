using System.Globalization;
using System.Text;
using System.Text.RegularExpressions;
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

/// <summary>The forward of a container in TorchScript; {0} stands for the name of its class.</summary>
internal sealed class ScriptForward
{
    private readonly TorchModule module;
    private readonly Dictionary<string, string> locals = [];
    private readonly StringBuilder text = new();

    public ScriptForward(TorchModule module, TorchBody body)
    {
        this.module = module;
        text.Append("  def forward(self: __torch__.{0}");
        foreach (string input in body.Inputs)
            text.Append(",\n    ")
                .Append(
                    locals[input] = body.Inputs.Count == 1 ? "x" : FormattableString.Invariant($"x{locals.Count + 1}")
                )
                .Append(": Tensor");
        text.Append(
            body.Outputs.Count == 1
                ? ") -> Tensor:\n"
                : $") -> Tuple[{string.Join(", ", body.Outputs.Select(_ => "Tensor"))}]:\n"
        );
        foreach (TorchStep step in body.Steps)
        {
            string value = Call(step);
            text.Append("    ")
                .AppendJoin(", ", step.Results.Select(Local))
                .Append(step.Results.Count > 1 && step.Module is not null ? ", = " : " = ")
                .Append(value)
                .Append('\n');
        }

        text.Append("    return ")
            .Append(
                body.Outputs.Count == 1
                    ? locals[body.Outputs[0]]
                    : $"({string.Join(", ", body.Outputs.Select(o => locals[o]))})"
            )
            .Append('\n');
    }

    public string Text => text.ToString();

    private string Call(TorchStep step)
    {
        string[] arguments = [.. step.Arguments.Select(Argument)];
        if (step.Module is { } called)
            return $"({ScriptNames.Path(module, called)}).forward({string.Join(", ", arguments)})";
        return step.Function switch
        {
            "relu6" => $"torch.hardtanh({arguments[0]}, 0., 6.)",
            "float" => $"torch.to({arguments[0]}, 6)",
            "long" => $"torch.to({arguments[0]}, 4)",
            "upsample_nearest2d" or "upsample_bilinear2d" =>
                $"torch.{step.Function}({string.Join(", ", arguments)}, None, None)",
            _ => $"torch.{step.Function}({string.Join(", ", arguments)})",
        };
    }

    private string Argument(TorchArgument argument) =>
        argument switch
        {
            TorchArgument.Value value => locals[value.Name],
            TorchArgument.Values values => $"[{string.Join(", ", values.Names.Select(n => locals[n]))}]",
            TorchArgument.Own own => ScriptNames.Member(ScriptNames.Path(module, own.Module), own.Tensor.Name),
            TorchArgument.Integer integer => integer.Number.ToString(CultureInfo.InvariantCulture),
            TorchArgument.Integers integers => $"[{string.Join(", ", integers.Numbers)}]",
            TorchArgument.Real real => Layers.Text.Real(real.Number),
            TorchArgument.Flag flag => flag.On ? "True" : "False",
            TorchArgument.Training => "self.training",
            _ => "None",
        };

    private string Local(string value) => locals[value] = FormattableString.Invariant($"v{locals.Count}");
}

/// <summary>Names in TorchScript.</summary>
internal static partial class ScriptNames
{
    private static readonly HashSet<string> Keywords =
    [
        "False",
        "None",
        "True",
        "and",
        "as",
        "assert",
        "async",
        "await",
        "break",
        "class",
        "continue",
        "def",
        "del",
        "elif",
        "else",
        "except",
        "finally",
        "for",
        "from",
        "global",
        "if",
        "import",
        "in",
        "inf",
        "is",
        "lambda",
        "nan",
        "nonlocal",
        "not",
        "or",
        "pass",
        "print",
        "raise",
        "return",
        "self",
        "try",
        "while",
        "with",
        "yield",
    ];

    public static bool IsIdentifier(string name) => Identifier().IsMatch(name) && !Keywords.Contains(name);

    /// <summary>A member of an expression: by a dot where its name allows.</summary>
    public static string Member(string of, string name) =>
        IsIdentifier(name) ? $"{of}.{name}" : $"getattr({of}, \"{name}\")";

    /// <summary>A module as seen from one around it.</summary>
    public static string Path(TorchModule from, TorchModule to) =>
        to.Ancestry.TakeWhile(m => m != from).Reverse().Aggregate("self", (of, module) => Member(of, module.Name));

    [GeneratedRegex("^[A-Za-z_][A-Za-z0-9_]*$")]
    private static partial Regex Identifier();
}
