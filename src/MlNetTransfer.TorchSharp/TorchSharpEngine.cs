using System.Reflection;
using MlNetTransfer.Onnx;
using MlNetTransfer.Onnx.Training;
using TorchSharp;

namespace MlNetTransfer.TorchSharp;

/// <summary>Training steps on libtorch: on the CPU, or on an NVIDIA GPU.</summary>
/// <remarks>
/// The forward model becomes a TorchScript archive, libtorch's autograd differentiates it, and the step is that of
/// <see cref="TrainingOptions"/>, written in tensors: clipping by the global norm, the optimiser, decoupled decays, the
/// moving average. Weights come home under the names of the model's initializers.
/// </remarks>
public sealed class TorchSharpEngine : ITrainingEngine
{
    /// <summary>Its name in options.</summary>
    public const string EngineName = "torchsharp";

    private static readonly Type[] OwnLosses =
    [
        typeof(CrossEntropy),
        typeof(BinaryCrossEntropy),
        typeof(MeanSquaredError),
    ];

    private readonly Lazy<torch.Device> device;
    private readonly bool isHalf;

    private TorchSharpEngine(string device, bool isHalf) =>
        (this.device, this.isHalf) = (new Lazy<torch.Device>(() => Open(device)), isHalf);

    /// <summary>From now on <c>FineTuneOptions.Engine = "torchsharp"</c> trains on libtorch.</summary>
    /// <param name="device">Where: cpu, cuda, or cuda:N for the GPU of that number. Default cpu.</param>
    /// <param name="bfloat16">Whether forward and backward passes compute in bfloat16; weights, moments and averages
    /// stay float32. Half the memory, and faster where the processor has such instructions; the result differs. For
    /// images, with the pretrained statistics of batch normalisation. Default false.</param>
    /// <remarks>
    /// The number of threads of libtorch is that of the training from then on. On a GPU products are of float32, not of
    /// TF32; sums are in no fixed order there, so that a training that goes on from a checkpoint differs by rounding.
    /// </remarks>
    public static void Register(string device = "cpu", bool bfloat16 = false) =>
        TrainingEngines.Add(new TorchSharpEngine(device, bfloat16));

    /// <inheritdoc/>
    public string Name => EngineName;

    /// <inheritdoc/>
    public string Version =>
        $"{InformationOf(typeof(torch))}, libtorch {torch.__version__}, {device.Value}{(isHalf ? ", bfloat16" : "")}";

    /// <inheritdoc/>
    public long Check(OnnxModel model, TrainingOptions options, int batch)
    {
        Require(model, options);
        _ = device.Value;
        _ = new TorchNetwork(model, options);
        return 0;
    }

    /// <inheritdoc/>
    public ITrainingSession CreateSession(OnnxModel model, TrainingOptions options, TrainingSessionOptions running)
    {
        Require(model, options);
        return new TorchTrainingSession(new TorchNetwork(model, options), options, running, device.Value, isHalf);
    }

    /// <summary>Refuses options that this engine does not support.</summary>
    private void Require(OnnxModel model, TrainingOptions options)
    {
        if (isHalf && options.BatchNormalization == BatchNormalizationMode.Training)
            throw new TransferException(
                "bfloat16 is too coarse for running statistics. Leave BatchStatistics out, or bfloat16."
            );
        if (isHalf && model.Nodes.FirstOrDefault(n => n.OpType is "Cast" or "Gather") is { } exact)
            throw new TransferException(
                $"bfloat16 is for networks of images: '{exact.OpType}' takes numbers that it would round. Register the "
                    + $"engine without bfloat16."
            );
        if (options.Objectives.Count > 1)
            throw new TransferException(
                $"The engine {EngineName} trains for one objective; there are {options.Objectives.Count}. Take the "
                    + $"engine {TrainingEngines.Default}."
            );
        if (!OwnLosses.Contains(options.Objectives[0].Loss.GetType()))
            throw new TransferException(
                $"The engine {EngineName} knows no loss {options.Objectives[0].Loss.GetType().Name}. Take the engine "
                    + $"{TrainingEngines.Default}."
            );
        if (options.Dropout)
            throw new TransferException(
                $"The engine {EngineName} drops nothing out. Leave --dropout out, or take the engine "
                    + $"{TrainingEngines.Default}."
            );
    }

    private static torch.Device Open(string name)
    {
        try
        {
            // The first use of libtorch: here it turns out whether it is there.
            torch.zeros(1).Dispose();
        }
        catch (Exception e)
        {
            throw Missing(e);
        }

        try
        {
            torch.Device device = torch.device(name);
            torch.zeros(1, device: device).Dispose();
            (torch.backends.cuda.matmul.allow_tf32, torch.backends.cudnn.allow_tf32) = (false, false);
            return device;
        }
        catch (Exception e)
        {
            throw new TransferException(
                $"libtorch cannot compute on '{name}': {e.Message.ReplaceLineEndings(" ").Trim()} For a GPU, add the "
                    + $"package libtorch-cuda of your system in place of libtorch-cpu, and check the driver with "
                    + $"nvidia-smi; or take the device cpu.",
                e
            );
        }
    }

    /// <summary>What to do where libtorch does not load.</summary>
    internal static TransferException Missing(Exception cause)
    {
        Exception inner = cause;
        while (inner.InnerException is { } next)
            inner = next;
        return new TransferException(
            $"libtorch cannot be used: {Telling(inner.Message)}. Add the package of libtorch for "
                + $"your system (libtorch-cpu-linux-x64, libtorch-cpu-win-x64, libtorch-cpu-osx-arm64 or one of "
                + $"libtorch-cuda) of the version that TorchSharp {InformationOf(typeof(torch))} names, to the program "
                + $"itself. Where it is there, the system's C++ runtime may be older than TorchSharp's: "
                + $"docs/guide/torchsharp.md.",
            cause
        );
    }

    /// <summary>Of what the system says of every place it looked at, the line with the reason.</summary>
    private static string Telling(string message)
    {
        string[] lines = message.Split('\n', StringSplitOptions.TrimEntries | StringSplitOptions.RemoveEmptyEntries);
        return (lines.FirstOrDefault(line => line.Contains("not found", StringComparison.Ordinal)) ?? lines[0]).TrimEnd(
            '.'
        );
    }

    private static string InformationOf(Type type) =>
        type.Assembly.GetCustomAttribute<AssemblyInformationalVersionAttribute>()?.InformationalVersion.Split('+')[0]
        ?? type.Assembly.GetName().Version!.ToString(3);
}
