using MlNetTransfer.Onnx.Torch.Modules;
using MlNetTransfer.Onnx.Weights;

namespace MlNetTransfer.Onnx.Torch.Sharp;

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
