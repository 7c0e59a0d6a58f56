using System.Globalization;
using MlNetTransfer.Onnx.Torch.Modules;

namespace MlNetTransfer.Onnx.Torch.Sharp;

/// <summary>Containers of numbered modules that run one after another: Sequentials.</summary>
internal static class SharpSequential
{
    /// <summary>Whether a container is one.</summary>
    public static bool Is(TorchModule module)
    {
        if (
            module.Body is not { Inputs.Count: 1, Outputs.Count: 1 } body
            || module.Tensors.Count > 0
            || !module.Children.All(c => char.IsAsciiDigit(c.Name[0]))
        )
            return false;
        string value = body.Inputs[0];
        List<TorchModule> called = [];
        foreach (TorchStep step in body.Steps)
        {
            if (
                step.Results.Count != 1
                || !step.Uses.SequenceEqual([value])
                || (step.Module is null && SharpFunctions.Module(step) is null)
            )
                return false;
            if (step.Module is { } child)
                called.Add(child);
            value = step.Results[0];
        }

        return value == body.Outputs[0] && called.SequenceEqual(module.Children);
    }

    public static SharpText Write(TorchModule module, Func<TorchModule, SharpText> construct)
    {
        SharpText text = new SharpText().Add("nn.Sequential(");
        int next = 0;
        bool first = true;
        foreach (TorchStep step in module.Body!.Steps)
        {
            // A function has no tensors: its number only has to be free.
            if (step.Module is null)
                while (module.Children.Any(c => c.Name == next.ToString(CultureInfo.InvariantCulture)))
                    next++;
            string name = step.Module?.Name ?? next.ToString(CultureInfo.InvariantCulture);
            text.Add($"{(first ? "" : ",")}\n    (\"{name}\", ");
            if (step.Module is { } child)
                text.Add(construct(child), 4);
            else
                text.Add(SharpFunctions.Module(step)!);
            text.Add(")");
            next = (int.TryParse(name, CultureInfo.InvariantCulture, out int number) ? number : next) + 1;
            first = false;
        }

        return text.Add(")");
    }

    /// <summary>The constructor of a layer.</summary>
    public static SharpText Layer(SharpCall call)
    {
        SharpText text = new SharpText().Add($"nn.{call.Function}(");
        for (int i = 0; i < call.Arguments.Count; i++)
        {
            SharpArgument argument = call.Arguments[i];
            text.Add((i > 0 ? ", " : "") + (argument.Name.Length > 0 ? argument.Name + ": " : ""))
                .Add(argument.Text, argument.Role);
        }

        return text.Add(")");
    }
}
