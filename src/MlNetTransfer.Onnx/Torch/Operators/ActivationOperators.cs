using MlNetTransfer.Onnx.Torch.Conversion;
using MlNetTransfer.Onnx.Torch.Modules;

namespace MlNetTransfer.Onnx.Torch.Operators;

/// <summary>Activations with attributes. Sigmoid becomes SiLU where its input is multiplied by it.</summary>
internal sealed class ActivationOperators : ITorchOperator
{
    public IReadOnlyList<string> Operators { get; } =
    ["Elu", "Gelu", "HardSigmoid", "HardSwish", "LeakyRelu", "Mish", "Selu", "Sigmoid", "Softplus"];

    public void Convert(TorchNode node)
    {
        TorchArgument x = node.Value(0);
        switch (node.Operator)
        {
            case "Elu":
                node.Call("elu", x, Real(node.Float("alpha", 1)));
                break;
            case "LeakyRelu":
                node.Call("leaky_relu", x, Real(node.Float("alpha", 0.01f)));
                break;
            case "HardSigmoid"
                when Math.Abs(node.Float("alpha", 0.2f) - 1 / 6f) < 1e-6f && node.Float("beta", 0.5f) == 0.5f:
                node.Call("hardsigmoid", x);
                break;
            case "HardSigmoid":
                TorchArgument line = node.Step(
                    "add",
                    node.Step("mul", x, Real(node.Float("alpha", 0.2f))),
                    Real(node.Float("beta", 0.5f))
                );
                node.Call("clamp", line, Real(0), Real(1));
                break;
            case "Gelu" when node.Text("approximate", "none") != "none":
                throw node.Unsupported("an approximation");
            case "Selu"
                when Math.Abs(node.Float("alpha", 1.6732632f) - 1.6732632f) > 1e-6f
                    || Math.Abs(node.Float("gamma", 1.050701f) - 1.050701f) > 1e-6f:
                throw node.Unsupported("constants of its own");
            case "Sigmoid" when node.OnlyOtherUse is { } product:
                node.Absorb(product).Call("silu", x);
                break;
            default:
                node.Call(node.Operator.ToLowerInvariant(), x);
                break;
        }
    }

    private static TorchArgument.Real Real(double value) => new TorchArgument.Real(value);
}
