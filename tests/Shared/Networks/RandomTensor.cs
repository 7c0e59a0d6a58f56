using MlNetTransfer.Onnx;
using MlNetTransfer.Onnx.Proto;

namespace MlNetTransfer.Tests.Shared;

/// <summary>Weights as networks are begun with (He et al., 2015): the same for the same seed.</summary>
internal static class RandomTensor
{
    public static TensorProto Of(string name, int seed, params long[] shape)
    {
        Rng rng = new(seed);
        float scale = MathF.Sqrt(2f / shape.Skip(1).Aggregate(1L, (a, b) => a * b));
        return TensorData.Floats(
            name,
            [
                .. Enumerable
                    .Range(0, (int)shape.Aggregate(1L, (a, b) => a * b))
                    .Select(_ => scale * (float)rng.NextNormal()),
            ],
            shape
        );
    }
}
