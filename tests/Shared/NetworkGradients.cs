using System.Runtime.InteropServices;
using System.Text.Json;
using Microsoft.ML.OnnxRuntime;
using MlNetTransfer.Onnx;
using MlNetTransfer.Onnx.Differentiation;

namespace MlNetTransfer.Tests.Shared;

/// <summary>Gradients of whole networks, exported by PyTorch as they come, against PyTorch's in float64.</summary>
internal static class NetworkGradients
{
    /// <summary>
    /// Arguments: a folder and a JSON list of [name, module, shape of the input, operator set, whether to keep the
    /// parameters as they are: torch.onnx otherwise folds batch normalisation and transposes weights, and then fewer
    /// names are left]. Writes for each NAME.onnx, NAME.json and for two inputs NAME.0.f32 and NAME.1.f32 (input,
    /// gradient of the output, the gradients of all parameters and of the input by float64, then those by float32).
    /// Weights are random; so are statistics, biases and scales, which PyTorch starts at 0 or 1: equal parameters would
    /// be exported as one.
    /// </summary>
    public const string Script = """
        import copy, json, sys, warnings, numpy as np, torch, torch.nn as nn, torch.nn.functional as F, torchvision.models as M
        warnings.filterwarnings("ignore")
        torch.set_num_threads(1)
        folder = sys.argv[1]
        class Many(nn.Module):
            def __init__(self):
                super().__init__()
                self.a, self.b, self.norm, self.slope = nn.Conv2d(3, 8, 3, padding=1), nn.ConvTranspose2d(8, 6, 4, 2, 1), nn.GroupNorm(3, 6), nn.PReLU(8)
                self.instance = nn.InstanceNorm2d(6, affine=True)
                self.fc = nn.Linear(6, 5)
            def forward(self, x):
                h = self.norm(self.b(self.slope(self.a(F.pad(x, (1, 1, 2, 2), mode="reflect")))))
                h = h + F.interpolate(h[:, :, ::2, 1::2], size=h.shape[2:], mode="bilinear", align_corners=False)
                h = F.mish(self.instance(h)) + F.interpolate(F.max_pool2d(h, 2), scale_factor=2, mode="nearest")
                h = torch.cat([c.softmax(1) * F.elu(c) for c in h.chunk(2, 1)], 1)
                h = torch.where(h > 0.1, F.gelu(h), F.normalize(h, dim=1)) + h.amax(1, keepdim=True) + h.roll(1, 3)
                return self.fc(F.softplus(h).flatten(2).mean(-1))
        def prepare(net):
            for name, p in net.named_parameters():
                if p.dim() <= 1 or "layer_scale" in name: nn.init.uniform_(p, 0.5, 1.5) if name.endswith("weight") or "layer_scale" in name else nn.init.uniform_(p, -0.2, 0.2)
            for m in net.modules():
                if isinstance(m, nn.modules.batchnorm._BatchNorm): nn.init.uniform_(m.running_mean, -0.5, 0.5); nn.init.uniform_(m.running_var, 0.5, 1.5)
            net.eval()
            for m in net.modules():
                # In eval mode attention is one fused operator that has no export; in train mode without dropout it is the same.
                if isinstance(m, nn.MultiheadAttention): m.train()
            return net
        for name, module, shape, opset, keep in json.loads(sys.argv[2]):
            torch.manual_seed(1)
            net = prepare(eval(module))
            mode = dict(training=torch.onnx.TrainingMode.PRESERVE, do_constant_folding=False) if keep else {}
            torch.onnx.export(net, torch.randn(shape), f"{folder}/{name}.onnx", opset_version=opset, **mode, input_names=["x"], output_names=["y"], dynamic_axes={"x": {0: "N"}, "y": {0: "N"}})
            for draw in range(2):
                x = torch.randn(shape)
                with open(f"{folder}/{name}.{draw}.f32", "wb") as file:
                    def write(tensors):
                        for tensor in tensors: tensor.detach().float().numpy().tofile(file)
                    dy = torch.randn(net.float()(x).shape)
                    write([x, dy])
                    for dtype in (torch.float64, torch.float32):
                        net = net.to(dtype)
                        images = x.to(dtype).requires_grad_()
                        write(torch.autograd.grad(net(images), [*net.parameters(), images], dy.to(dtype)))
            named = [*net.named_parameters(), ("x", x)]
            json.dump({"names": [n for n, _ in named], "sizes": [t.numel() for _, t in named], "x": list(x.shape), "dy": list(dy.shape)}, open(f"{folder}/{name}.json", "w"))
        """;

    /// <summary>
    /// Differentiates one exported network by its input and all parameters that it has under their names, and compares.
    /// Rounding may turn the sign of a value at a kink (ReLU, max-pooling), and with it visible parts of the gradients
    /// below: such an input says nothing of the gradient, so one that fails is tried again with the second input. A
    /// wrong gradient fails with both.
    /// </summary>
    /// <param name="folder">Where the script wrote.</param>
    /// <param name="name">Name of the network.</param>
    /// <param name="allowed">Error up to which the first input is enough.</param>
    /// <param name="threads">Threads of ONNX Runtime.</param>
    public static NetworkComparison Compare(string folder, string name, double allowed, int threads = 1)
    {
        OnnxModel model = OnnxModel.Load(Path.Combine(folder, name + ".onnx"));
        Description description = JsonSerializer.Deserialize<Description>(
            File.ReadAllText(Path.Combine(folder, name + ".json"))
        )!;
        HashSet<string> there = ["x", .. model.Initializers.Select(i => i.Name)];
        string[] wanted = [.. description.names.Where(there.Contains)];
        OnnxModel product = Differentiator.VectorJacobianProduct(model, "y", wanted, (int)description.x[0], "dy");
        using SessionOptions options = new()
        {
            IntraOpNumThreads = threads,
            LogSeverityLevel = OrtLoggingLevel.ORT_LOGGING_LEVEL_ERROR,
        };
        using InferenceSession session = new(product.ToBytes(), options);
        NetworkComparison empty = new(
            name,
            wanted.Length - 1,
            description.names.Length - wanted.Length,
            0,
            "",
            0,
            0,
            1,
            [.. model.Nodes.Select(n => n.OpType).Distinct().Order(StringComparer.Ordinal)]
        );
        NetworkComparison first = Compare(session, description, Path.Combine(folder, name + ".0.f32"), empty);
        return first.Error <= allowed
            ? first
            : Compare(session, description, Path.Combine(folder, name + ".1.f32"), empty) with
            {
                Inputs = 2,
            };
    }

    private static NetworkComparison Compare(
        InferenceSession session,
        Description description,
        string file,
        NetworkComparison comparison
    )
    {
        ReadOnlySpan<float> values = MemoryMarshal.Cast<byte, float>(File.ReadAllBytes(file));
        int x = (int)Product(description.x),
            dy = (int)Product(description.dy);
        using OrtValue input = OrtValue.CreateTensorValueFromMemory(values[..x].ToArray(), description.x),
            seed = OrtValue.CreateTensorValueFromMemory(values.Slice(x, dy).ToArray(), description.dy);
        using RunOptions run = new();
        string[] wanted = [.. session.OutputNames.Where(n => n != "y").Select(n => n["gradient_of/".Length..])];
        using IDisposableReadOnlyCollection<OrtValue> results = session.Run(
            run,
            ["x", "dy"],
            [input, seed],
            [.. wanted.Select(n => $"gradient_of/{n}")]
        );
        ReadOnlySpan<float> doubles = values[(x + dy)..];
        ReadOnlySpan<float> floats = doubles[(doubles.Length / 2)..];
        Dictionary<string, OrtValue> gradients = wanted.Zip(results).ToDictionary();
        int at = 0;
        foreach ((string name, int size) in description.names.Zip(description.sizes))
        {
            ReadOnlySpan<float> expected = doubles.Slice(at, size),
                inFloats = floats.Slice(at, size);
            at += size;
            if (!gradients.TryGetValue(name, out OrtValue? gradient))
                continue;
            double error = Error(expected, gradient.GetTensorDataAsSpan<float>()),
                peer = Error(expected, inFloats);
            comparison = comparison with
            {
                Parameters = comparison.Parameters + (name == "x" ? 0 : size),
                PeerError = Math.Max(peer, comparison.PeerError),
            };
            if (!(error <= comparison.Error))
                comparison = comparison with { Worst = name, Error = error };
        }

        return comparison;
    }

    /// <summary>Largest difference relative to the largest gradient of the tensor.</summary>
    private static double Error(ReadOnlySpan<float> expected, ReadOnlySpan<float> actual)
    {
        if (expected.Length != actual.Length)
            return double.NaN;
        double scale = 0,
            error = 0;
        for (int i = 0; i < expected.Length; i++)
        {
            scale = Math.Max(scale, Math.Abs(expected[i]));
            double difference = Math.Abs((double)expected[i] - actual[i]);
            error = double.IsNaN(difference) ? double.NaN : Math.Max(error, difference);
        }

        return error == 0 ? 0 : error / scale;
    }

    private static long Product(long[] shape) => shape.Aggregate(1L, (a, b) => a * b);

#pragma warning disable IDE1006, CA1812 // Names and construction are JSON's.
    private sealed record Description(string[] names, int[] sizes, long[] x, long[] dy);
#pragma warning restore IDE1006, CA1812
}
