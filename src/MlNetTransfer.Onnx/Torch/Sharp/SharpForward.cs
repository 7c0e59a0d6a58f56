using System.Globalization;
using MlNetTransfer.Onnx.Torch.Modules;

namespace MlNetTransfer.Onnx.Torch.Sharp;

/// <summary>
/// The statements of a forward: norms and activations follow what they act on, and a variable is used again as soon as
/// it is free.
/// </summary>
internal sealed class SharpForward
{
    private static readonly HashSet<string> Attached =
    [
        "relu",
        "relu6",
        "silu",
        "gelu",
        "sigmoid",
        "tanh",
        "hardswish",
        "hardsigmoid",
        "leaky_relu",
        "flatten",
        "softmax",
        "erf",
    ];
    private static readonly HashSet<string> AttachedLayers =
    [
        "BatchNorm1d",
        "BatchNorm2d",
        "BatchNorm3d",
        "LayerNorm",
        "PReLU",
    ];
    private static readonly string[] Letters = ["x", "y", "z", "u", "v", "w"];

    private readonly TorchModule module;
    private readonly TorchBody body;
    private readonly Dictionary<string, string> values = [];
    private readonly Dictionary<string, int> lastUse = [];
    private readonly HashSet<string> names = [];
    private readonly List<string> lines = [];

    /// <param name="module">The module.</param>
    /// <param name="body">What it does.</param>
    /// <param name="scoped">Whether intermediate tensors are disposed of at the end.</param>
    public SharpForward(TorchModule module, TorchBody body, bool scoped)
    {
        (this.module, this.body) = (module, body);
        names.UnionWith(
            module
                .Children.Select(c => SharpNames.Field(c.Name))
                .Concat(module.Tensors.Select(t => SharpNames.Field(t.Name)))
        );
        Inputs =
        [
            .. body.Inputs.Select(
                (v, i) =>
                    values[v] = NameAllocator.First(
                        body.Inputs.Count == 1 ? "input" : FormattableString.Invariant($"input{i + 1}"),
                        names
                    )
            ),
        ];
        names.UnionWith(Inputs);
        for (int i = 0; i < body.Steps.Count; i++)
            foreach (string use in body.Steps[i].Uses)
                lastUse[use] = i;
        foreach (string output in body.Outputs)
            lastUse[output] = int.MaxValue;
        if (scoped)
            lines.Add("using var scope = NewDisposeScope();");
        for (int i = 0; i < body.Steps.Count; i++)
            Statement(i);
        if (body.Outputs.Count > 1 || values[body.Outputs[0]] is not "")
            lines.Add(
                body.Outputs.Count == 1
                    ? $"return {Moved(values[body.Outputs[0]], scoped)};"
                    : $"return ({string.Join(", ", body.Outputs.Select(o => values[o]))});"
            );

        // A last variable that is only returned is no variable.
        if (
            !scoped
            && lines.Count > 1
            && lines[^1].StartsWith("return ", StringComparison.Ordinal)
            && lines[^2].Split(" = ", 2) is [var target, var last]
            && (target == lines[^1][7..^1] || target == "var " + lines[^1][7..^1])
        )
        {
            lines.RemoveAt(lines.Count - 1);
            lines[^1] = "return " + last;
        }
    }

    /// <summary>Names of the parameters.</summary>
    public IReadOnlyList<string> Inputs { get; }

    public IReadOnlyList<string> Lines => lines;

    private void Statement(int index)
    {
        TorchStep step = body.Steps[index];
        string text = Call(step);
        if (
            step.Results is [var only]
            && index + 1 < body.Steps.Count
            && Attaches(only, index, body.Steps[index + 1])
            && text.Length < 90
        )
        {
            values[only] =
                text.Contains(" + ", StringComparison.Ordinal)
                || text.Contains(" * ", StringComparison.Ordinal)
                || text.Contains(" - ", StringComparison.Ordinal)
                || text.Contains(" / ", StringComparison.Ordinal)
                    ? $"({text})"
                    : text;
            return;
        }

        if (step.Results.Count > 1)
        {
            string[] targets = [.. step.Results.Select(r => values[r] = Fresh())];
            lines.Add($"var ({string.Join(", ", targets)}) = {text};");
            return;
        }

        string result = step.Results[0];
        string? free =
            step.Uses.Where(u => lastUse[u] <= index && values[u] is var v && names.Contains(v) && !Inputs.Contains(v))
                .Select(u => values[u])
                .FirstOrDefault()
            ?? Released(index);
        values[result] = free ?? Fresh();
        lines.Add($"{(free is null ? "var " : "")}{values[result]} = {text};");
    }

    /// <summary>The variable that what was attached to this step used last.</summary>
    private string? Released(int index)
    {
        for (int i = index - 1; i >= 0 && body.Steps[i].Results is [var r] && !names.Contains(values[r]); i--)
            if (
                body.Steps[i]
                    .Uses.Where(u => lastUse[u] <= index && names.Contains(values[u]) && !Inputs.Contains(values[u]))
                    .Select(u => values[u])
                    .FirstOrDefault() is
                { } free
            )
                return free;
        return null;
    }

    private bool Attaches(string value, int index, TorchStep next) =>
        lastUse[value] == index + 1
        && !body.Outputs.Contains(value)
        && next.Uses.Count(u => u == value) == 1
        && (Begins(value, next) || Ends(value, index, next));

    private static bool Begins(string value, TorchStep next) =>
        next.Uses.First() == value
        && next.Arguments[0] is TorchArgument.Value
        && (
            next.Module is { Layer: { } layer } ? AttachedLayers.Contains(layer.Kind) : Attached.Contains(next.Function)
        );

    /// <summary>A layer whose result is put behind what there was.</summary>
    private bool Ends(string value, int index, TorchStep next) =>
        next.Function == "cat"
        && next.Uses.Count() == 2
        && next.Uses.Last() == value
        && body.Steps[index].Module is not null;

    private string Fresh()
    {
        string name = Letters.FirstOrDefault(l => !names.Contains(l)) ?? NameAllocator.First("x", names);
        names.Add(name);
        return name;
    }

    private string Call(TorchStep step)
    {
        string[] arguments = [.. step.Arguments.Select(Argument)];
        if (step.Module is not { } called)
            return SharpFunctions.Call(step, arguments);
        return $"{SharpNames.Path(module, called)}{(SharpNames.IsField(called.Name) ? ".call" : "")}"
            + $"({string.Join(", ", arguments)})";
    }

    private string Argument(TorchArgument argument) =>
        argument switch
        {
            TorchArgument.Value value => values[value.Name],
            TorchArgument.Values several => $"[{string.Join(", ", several.Names.Select(n => values[n]))}]",
            TorchArgument.Own own => string.Join(
                '.',
                new[] { SharpNames.Path(module, own.Module), SharpNames.Field(own.Tensor.Name) }.Where(p =>
                    p.Length > 0
                )
            ),
            TorchArgument.Integer integer => integer.Number.ToString(CultureInfo.InvariantCulture),
            TorchArgument.Integers integers => $"[{string.Join(", ", integers.Numbers)}]",
            TorchArgument.Real real => SharpText.Float(real.Number),
            TorchArgument.Flag flag => flag.On ? "true" : "false",
            TorchArgument.Training => "training",
            _ => "null",
        };

    private static string Moved(string value, bool scoped) => scoped ? $"{value}.MoveToOuterDisposeScope()" : value;
}
