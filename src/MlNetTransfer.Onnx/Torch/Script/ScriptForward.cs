using System.Globalization;
using System.Text;
using MlNetTransfer.Onnx.Torch.Modules;

namespace MlNetTransfer.Onnx.Torch.Script;

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
