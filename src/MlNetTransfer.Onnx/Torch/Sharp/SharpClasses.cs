using System.Text;
using MlNetTransfer.Onnx.Torch.Modules;
using MlNetTransfer.Onnx.Weights;

namespace MlNetTransfer.Onnx.Torch.Sharp;

/// <summary>
/// The classes of a model in C#: containers that are alike share one, whose constructor takes the numbers in which they
/// differ; plain chains are Sequentials. All lie within the model's class, so that two models can stand in one project.
/// </summary>
internal sealed class SharpClasses
{
    private readonly Dictionary<TorchModule, SharpText> made = [];
    private readonly Dictionary<TorchModule, string> types = [];
    private readonly HashSet<string> taken;
    private readonly List<string> code = [];
    private readonly Dictionary<string, HashSet<string>> childNames = [];

    /// <param name="root">The model.</param>
    /// <param name="name">Name of its class.</param>
    /// <param name="summary">What it takes and returns.</param>
    public SharpClasses(TorchModule root, string name, string summary)
    {
        taken =
        [
            name,
            "Conv2d",
            "ConvTranspose2d",
            "BatchNorm1d",
            "BatchNorm2d",
            "BatchNorm3d",
            "Linear",
            "LayerNorm",
            "PReLU",
            "Sequential",
            "Tensor",
            "Parameter",
            "Module",
            .. root.Tensors.Select(t => SharpNames.Field(t.Name)),
            .. root.Children.Select(c => SharpNames.Field(c.Name)),
        ];
        foreach (
            IGrouping<int, TorchModule> height in root
                .Descendants.Where(m => m.Layer is null && m != root)
                .GroupBy(Height)
                .OrderBy(g => g.Key)
        )
            AtHeight([.. height]);
        string text = new SharpClass(root, Construct, Type)
            .Write(isRoot: true)
            .ToString()
            .Replace(SharpClass.Name, name, StringComparison.Ordinal)
            .Replace(SharpClass.Parameters, "", StringComparison.Ordinal);
        IEnumerable<string> nested = code.Select(helper =>
            string.Concat(helper.TrimEnd('\n').Split('\n').Select(line => line.Length > 0 ? $"    {line}\n" : "\n"))
        );
        Code =
            $"/// <summary>{summary}</summary>\n{text[..text.LastIndexOf('}')]}"
            + string.Concat(nested.Select(helper => "\n" + helper))
            + "}\n";
    }

    /// <summary>The model's class, the others within it.</summary>
    public string Code { get; }

    private static int Height(TorchModule module) =>
        module.Children.Select(c => c.Layer is null ? Height(c) + 1 : 1).DefaultIfEmpty(0).Max();

    private void AtHeight(IReadOnlyList<TorchModule> modules)
    {
        foreach (TorchModule module in modules.Where(SharpSequential.Is))
        {
            made[module] = SharpSequential.Write(module, Construct);
            types[module] = "Sequential";
        }

        foreach (
            IGrouping<string, (TorchModule Module, SharpText Text)> alike in modules
                .Where(m => !made.ContainsKey(m))
                .Select(m => (Module: m, Text: new SharpClass(m, Construct, Type).Write(isRoot: false)))
                .GroupBy(e => e.Text.Skeleton)
                .ToArray()
        )
            Share([.. alike.Select(a => a.Module)], [.. alike.Select(a => a.Text)]);
    }

    /// <summary>One class for modules that are alike but for their numbers.</summary>
    private void Share(TorchModule[] modules, SharpText[] texts)
    {
        string name = Name(modules);
        (string Text, string Role)[][] numbers = [.. texts.Select(t => t.Numbers.ToArray())];
        List<(string Name, string[] Values)> parameters = [];
        string[] shared = new string[numbers[0].Length];
        for (int i = 0; i < shared.Length; i++)
        {
            string[] values = [.. numbers.Select(n => n[i].Text)];
            shared[i] =
                values.Distinct().Count() == 1
                    ? values[0]
                    : Parameter(
                        parameters,
                        values,
                        [
                            .. numbers[0]
                                .Where((_, k) => numbers.Select(n => n[k].Text).SequenceEqual(values))
                                .Select(n => n.Role),
                        ]
                    );
        }

        StringBuilder list = new();
        foreach ((string parameter, _) in parameters)
            list.Append(list.Length > 0 ? ", " : "").Append("long ").Append(parameter);
        code.Add(
            texts[0]
                .With(shared)
                .Replace(SharpClass.Name, name, StringComparison.Ordinal)
                .Replace(SharpClass.Parameters, list.ToString(), StringComparison.Ordinal)
        );
        for (int m = 0; m < modules.Length; m++)
        {
            SharpText call = new SharpText().Add($"new {name}(");
            for (int p = 0; p < parameters.Count; p++)
                call.Add((p > 0 ? ", " : "") + (parameters.Count > 3 ? parameters[p].Name + ": " : ""))
                    .Add(parameters[p].Values[m], parameters[p].Name);
            made[modules[m]] = call.Add(")");
            types[modules[m]] = name;
        }
    }

    private static string Parameter(
        List<(string Name, string[] Values)> parameters,
        string[] values,
        IReadOnlyList<string> roles
    )
    {
        if (parameters.FirstOrDefault(p => p.Values.SequenceEqual(values)).Name is { } known)
            return known;
        string wanted = Wanted(roles);
        string name = wanted;
        for (int i = 2; parameters.Any(p => p.Name == name); i++)
            name = FormattableString.Invariant($"{wanted}{i}");
        parameters.Add((name, values));
        return name;
    }

    /// <summary>
    /// What a number is to a block, from what it is to its layers in their order: what goes in and comes out again is
    /// "channels", what comes out and then goes in is hidden.
    /// </summary>
    private static string Wanted(IReadOnlyList<string> roles)
    {
        string[] ends =
        [
            .. roles.Where(r =>
                r.StartsWith("in", StringComparison.Ordinal) || r.StartsWith("out", StringComparison.Ordinal)
            ),
        ];
        if (ends.Length == 0)
            return roles[0];
        bool first = ends[0].StartsWith("in", StringComparison.Ordinal),
            last = ends[^1].StartsWith("in", StringComparison.Ordinal);
        return (first, last) switch
        {
            (true, true) when ends.All(e => e == ends[0]) => ends[0],
            (false, true) => "hidden" + ends[0]["out".Length..],
            (false, false) => ends[0],
            _ => "channels",
        };
    }

    private SharpText Construct(TorchModule module) =>
        module.Layer is { } layer ? SharpSequential.Layer(layer.Sharp) : made[module];

    private string Type(TorchModule module) => module.Layer?.Kind ?? types[module];

    /// <summary>
    /// A name from those of the modules: LayerBlock for layer1.0 and layer2.1, LayerBlockWithDownsample for those that
    /// have one.
    /// </summary>
    private string Name(TorchModule[] modules)
    {
        string wanted = modules
            .Select(m => Wanted(m, alone: modules.Length == 1))
            .GroupBy(n => n)
            .OrderByDescending(g => g.Count())
            .First()
            .Key;
        HashSet<string> children = [.. modules[0].Children.Select(c => c.Name)];
        string name = wanted;
        if (
            taken.Contains(name)
            && childNames.TryGetValue(wanted, out HashSet<string>? others)
            && children.FirstOrDefault(c => !others.Contains(c) && !char.IsAsciiDigit(c[0])) is { } extra
        )
            name = $"{wanted}With{SharpNames.Pascal(extra, keepNumber: true)}";
        for (int i = 2; taken.Contains(name); i++)
            name = FormattableString.Invariant($"{wanted}{i}");
        taken.Add(name);
        childNames[name] = children;
        return name;
    }

    private static string Wanted(TorchModule module, bool alone)
    {
        if (!char.IsAsciiDigit(module.Name[0]))
            return SharpNames.Pascal(module.Name, keepNumber: alone);
        string around = module.Ancestry.FirstOrDefault(m => m.Name.Length > 0 && !char.IsAsciiDigit(m.Name[0]))
            is { } named
            ? SharpNames.Pascal(named.Name)
            : "Model";
        return around.EndsWith("Block", StringComparison.Ordinal) ? around : around + "Block";
    }
}

/// <summary>Writes the class of one container, its numbers left open: fields, constructor, forward.</summary>
/// <param name="module">The container.</param>
/// <param name="construct">How a child is made.</param>
/// <param name="typeOf">Type of a child.</param>
internal sealed class SharpClass(
    TorchModule module,
    Func<TorchModule, SharpText> construct,
    Func<TorchModule, string> typeOf
)
{
    /// <summary>Stands for the name of the class.</summary>
    public const string Name = "\u0002";

    /// <summary>Stands for the parameters of the constructor.</summary>
    public const string Parameters = "\u0003";

    public SharpText Write(bool isRoot)
    {
        SharpText text = new();
        TorchBody? body = module.Body;
        SharpForward? forward = body is null ? null : new SharpForward(module, body, isRoot);
        string arity = body is null ? "" : $"<{string.Join(", ", body.Inputs.Select(_ => "Tensor"))}, {Result(body)}>";
        text.Add($"{(isRoot ? "public" : "internal")} sealed class {Name} : nn.Module{arity}\n{{\n");
        Fields(text, body is null ? "internal" : "private");
        text.Add($"    public {Name}({Parameters}) : base(nameof({Name}))\n    {{\n");
        foreach (TorchTensor tensor in module.Tensors)
            text.Add($"        {SharpNames.Field(tensor.Name)} = ").Add(Tensor(tensor)).Add(";\n");
        foreach (TorchModule child in module.Children)
            Child(text, child);
        text.Add("        RegisterComponents();\n    }\n");
        if (forward is not null)
        {
            text.Add(
                $"\n    public override {Result(body!)} "
                    + $"forward({string.Join(", ", forward.Inputs.Select(i => "Tensor " + i))})\n    {{\n"
            );
            foreach (string line in forward.Lines)
                text.Add($"        {line}\n");
            text.Add("    }\n");
        }

        return text.Add("}\n");
    }

    private static string Result(TorchBody body) =>
        body.Outputs.Count == 1 ? "Tensor" : $"({string.Join(", ", body.Outputs.Select(_ => "Tensor"))})";

    private void Fields(SharpText text, string access)
    {
        IEnumerable<(string Type, string Name)> fields = module
            .Tensors.Select(t => (t.IsParameter ? "Parameter" : "Tensor", SharpNames.Field(t.Name)))
            .Concat(module.Children.Select(c => (FieldType(c), SharpNames.Field(c.Name))));
        foreach (IGrouping<string, string> type in fields.GroupBy(f => f.Type, f => f.Name))
        foreach (string[] line in type.Chunk(8))
            text.Add($"    {access} readonly {type.Key} {string.Join(", ", line)};\n");
        text.Add("\n");
    }

    /// <summary>
    /// A module whose name no field can have is kept as what it computes: a field of a module type would be registered
    /// under the field's name.
    /// </summary>
    private string FieldType(TorchModule child) =>
        SharpNames.IsField(child.Name) ? typeOf(child)
        : child is { Layer: null, Body: null } ? $"ValueTuple<{typeOf(child)}>"
        : $"Func<{string.Concat(Enumerable.Repeat("Tensor, ", child.Body?.Inputs.Count ?? 1))}"
            + $"{(child.Body is { } body ? Result(body) : "Tensor")}>";

    private void Child(SharpText text, TorchModule child)
    {
        string field = SharpNames.Field(child.Name);
        if (SharpNames.IsField(child.Name))
        {
            text.Add($"        {field} = ").Add(construct(child), 8).Add(";\n");
            return;
        }

        text.Add($"        var module{field} = ")
            .Add(construct(child), 8)
            .Add($";\n        register_module(\"{child.Name}\", module{field});\n");
        text.Add(
            child is { Layer: null, Body: null }
                ? $"        {field} = ValueTuple.Create(module{field});\n"
                : $"        {field} = module{field}.call;\n"
        );
    }

    private static SharpText Tensor(TorchTensor tensor)
    {
        SharpText text = new SharpText().Add(
            tensor.IsParameter ? "nn.Parameter(torch.zeros(new long[] { " : "torch.zeros(new long[] { "
        );
        for (int i = 0; i < tensor.Shape.Count; i++)
        {
            // A size of 1 is there for broadcasting, and is no number that differs.
            string size = tensor.Shape[i].ToString(System.Globalization.CultureInfo.InvariantCulture);
            text.Add(i > 0 ? ", " : "").Add(size, tensor.Shape[i] > 1 ? "channels" : "");
        }

        return text.Add(
            (tensor.Type == SafeTensorType.I64 ? " }, torch.int64)" : " })") + (tensor.IsParameter ? ")" : "")
        );
    }
}
