using System.Diagnostics;
using System.Globalization;
using TorchSharp;
using static TorchSharp.torch;
using static TorchSharp.torch.nn;

namespace MlNetTransfer.TorchSharp.Tests;

/// <summary>
/// Training steps of TorchSharp as people write them, on the networks of its own torchvision: the rival of the benchmark
/// <c>trainstep torchsharp</c>, which runs this assembly as a program. A line in, the number of steps; a line out, seconds
/// and peak memory. Batch 16 of 224 x 224, gradient descent with momentum, normalisation by its running statistics.
/// </summary>
internal static class TorchVisionSteps
{
    private const int Batch = 16,
        Classes = 10;

    /// <param name="args">Network (resnet18, mobilenet_v2), what is trained (full, tail, cached), threads, and
    /// channels_last or nothing.</param>
    public static int Main(string[] args)
    {
        if (args is not [var name, var mode, var threads, .. var layout])
        {
            Console.Error.WriteLine("NETWORK full|tail|cached THREADS [channels_last]");
            return 2;
        }

        set_num_threads(int.Parse(threads, CultureInfo.InvariantCulture));
        random.manual_seed(1);
        (Module<Tensor, Tensor> prefix, Module<Tensor, Tensor> tail) = Parts(name);
        Module<Tensor, Tensor> whole = Sequential(("prefix", prefix), ("tail", tail));
        Tensor x = randn(Batch, 3, 224, 224),
            labels = randint(0, Classes, [Batch], ScalarType.Int64);
        if (layout is ["channels_last"])
        {
            ChannelsLast(whole);
            x = ChannelsLast(x);
        }

        using (no_grad())
        {
            // Statistics of something real: else activations grow from layer to layer.
            foreach (Module module in whole.modules())
                if (module is global::TorchSharp.Modules.BatchNorm2d norm)
                    norm.momentum = 1;
            whole.train();
            whole.call(x).Dispose();
            whole.eval();
        }

        if (mode != "full")
            foreach (Tensor parameter in prefix.parameters())
                parameter.requires_grad = false;
        if (mode == "cached")
            using (no_grad())
                x = prefix.call(x).detach();
        Module<Tensor, Tensor> run = mode == "cached" ? tail : whole;
        using optim.Optimizer optimizer = optim.SGD(
            whole.parameters().Where(p => p.requires_grad),
            1e-4,
            momentum: 0.9
        );
        while (Console.ReadLine() is { } line)
        {
            long started = Stopwatch.GetTimestamp();
            for (int i = int.Parse(line, CultureInfo.InvariantCulture); i > 0; i--)
            {
                using IDisposable scope = NewDisposeScope();
                optimizer.zero_grad();
                Tensor loss = functional.cross_entropy(run.call(x), labels);
                loss.backward();
                optimizer.step();
                loss.item<float>();
            }

            double seconds = Stopwatch.GetElapsedTime(started).TotalSeconds;
            string peak = File.ReadLines("/proc/self/status")
                .First(l => l.StartsWith("VmHWM", StringComparison.Ordinal))
                .Split((char[]?)null, StringSplitOptions.RemoveEmptyEntries)[1];
            Console.WriteLine(string.Create(CultureInfo.InvariantCulture, $"{seconds} {peak}"));
        }

        return 0;
    }

    /// <summary>A network before and after the freeze boundary; the last block is that of the benchmark.</summary>
    private static (Module<Tensor, Tensor> Prefix, Module<Tensor, Tensor> Tail) Parts(string name)
    {
        switch (name)
        {
            case "resnet18":
                Dictionary<string, Module<Tensor, Tensor>> layers = Children(torchvision.models.resnet18(Classes));
                return (
                    Chain(layers, "conv1", "bn1", "relu", "maxpool", "layer1", "layer2", "layer3"),
                    Chain(layers, "layer4", "avgpool", "flatten", "fc")
                );
            case "mobilenet_v2":
                Dictionary<string, Module<Tensor, Tensor>> parts = Children(torchvision.models.mobilenet_v2(Classes));
                foreach (Module module in parts["classifier"].modules())
                    if (module is global::TorchSharp.Modules.Dropout dropout)
                        dropout.p = 0;
                string[] features = [.. Children(parts["features"]).Keys];
                Dictionary<string, Module<Tensor, Tensor>> blocks = Children(parts["features"]);
                return (
                    Chain(blocks, features[..^1]),
                    Sequential(
                        ("last", blocks[features[^1]]),
                        ("pool", AdaptiveAvgPool2d(1)),
                        ("flatten", Flatten()),
                        ("classifier", parts["classifier"])
                    )
                );
            default:
                throw new ArgumentException($"'{name}' is neither resnet18 nor mobilenet_v2.", nameof(name));
        }
    }

    private static Dictionary<string, Module<Tensor, Tensor>> Children(Module module) =>
        module
            .named_children()
            .Where(child => child.module is Module<Tensor, Tensor>)
            .ToDictionary(child => child.name, child => (Module<Tensor, Tensor>)child.module);

    private static Module<Tensor, Tensor> Chain(
        Dictionary<string, Module<Tensor, Tensor>> layers,
        params string[] names
    ) => Sequential([.. names.Select(n => (n, layers[n]))]);

    /// <summary>Weights of convolutions with the channels innermost, which is how PyTorch's layout goes about it.</summary>
    private static void ChannelsLast(Module module)
    {
        foreach (Module layer in module.modules())
            if (layer is global::TorchSharp.Modules.Conv2d convolution)
                convolution.weight = Parameter(ChannelsLast(convolution.weight!.detach()));
    }

    private static Tensor ChannelsLast(Tensor values) => values.permute(0, 2, 3, 1).contiguous().permute(0, 3, 1, 2);
}
