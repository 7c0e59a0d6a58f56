using System.Globalization;
using MlNetTransfer.Onnx.Torch.Modules;

namespace MlNetTransfer.Onnx.Torch.Layers;

/// <summary>Batch normalisation: of the batch when training, by the running statistics else.</summary>
internal sealed record BatchNormLayer(long Features, int Rank, float Epsilon, double Momentum) : TorchLayer
{
    public override string Kind =>
        Rank switch
        {
            2 or 3 => "BatchNorm1d",
            4 => "BatchNorm2d",
            _ => "BatchNorm3d",
        };

    public override IReadOnlyList<string> Script =>
        [
            "if self.training:",
            "  counted = torch.add_(self.num_batches_tracked, 1)",
            "else:",
            "  pass",
            $"return torch.batch_norm(x, self.weight, self.bias, self.running_mean, self.running_var, "
                + $"self.training, {Text.Real(Momentum)}, {Text.Real(Epsilon)}, True)",
        ];

    public override SharpCall Sharp
    {
        get
        {
            List<SharpArgument> arguments = [Text.Number("", Features, "channels")];
            if (Epsilon != 1e-5f)
                arguments.Add(new SharpArgument("eps", Epsilon.ToString("R", CultureInfo.InvariantCulture)));
            if (Momentum != 0.1)
                arguments.Add(new SharpArgument("momentum", Momentum.ToString("R", CultureInfo.InvariantCulture)));
            return new SharpCall(Kind, arguments);
        }
    }
}
