using System.Globalization;
using System.Runtime.InteropServices;
using System.Runtime.Intrinsics.X86;
using System.Text.RegularExpressions;
using Microsoft.ML.OnnxRuntime;
using MlNetTransfer.Onnx.Runtime;
using MlNetTransfer.Onnx.Training;

namespace MlNetTransfer.Backbones;

/// <summary>How graphs are run on a device: the one place where the CPU's plan and the GPU's differ.</summary>
/// <remarks>
/// CPU: one intra-op thread, one image per run (a few where no result depends on it, see <see cref="ItemGraph"/>), as
/// many concurrent runs as workers, which overlap with decoding. GPU: large batches from one thread, filled ahead by as
/// many decoding workers as cores.
/// </remarks>
public sealed record ExecutionPlan
{
    private static readonly (string Key, string Value) IdleCores = ("session.intra_op.allow_spinning", "0"),
        ExactBytes = ("session.x64quantprecision", "1");

    /// <summary>What runs the graphs. Default <see cref="ExecutionProvider.Cpu"/>.</summary>
    public ExecutionProvider Provider { get; init; }

    /// <summary>Number of the GPU, counted from 0; without effect on the CPU. Default 0.</summary>
    public int DeviceId
    {
        get;
        init => field = Check.InRange(value, 0, 255);
    }

    /// <summary>
    /// Workers that decode (and on a CPU also run), in [1, 1024]. No result depends on it. Default: one per core.
    /// </summary>
    public int Workers
    {
        get;
        init => field = Check.InRange(value, 1, 1024);
    } = Environment.ProcessorCount;

    /// <summary>Images per run, in [1, 1024]. Default 1.</summary>
    public int BatchSize
    {
        get;
        init => field = Check.InRange(value, 1, 1024);
    } = 1;

    /// <summary>Batches being filled or run at the same time, in [1, 64]: what bounds the memory. Default 1.</summary>
    public int BatchesInFlight
    {
        get;
        init => field = Check.InRange(value, 1, 64);
    } = 1;

    /// <summary>The plan for a device.</summary>
    /// <param name="provider">What runs the graphs.</param>
    /// <param name="workers">Workers; null for one per core.</param>
    public static ExecutionPlan For(ExecutionProvider provider, int? workers = null)
    {
        int cores = workers ?? Environment.ProcessorCount;
        return provider == ExecutionProvider.Cpu
            ? new ExecutionPlan { Workers = cores }
            : new ExecutionPlan
            {
                Provider = provider,
                Workers = cores,
                BatchSize = 64,
                BatchesInFlight = 3,
            };
    }

    /// <summary>
    /// How sessions of this plan are opened; opening one throws where <see cref="RequireDevice"/> would.
    /// </summary>
    internal OrtSettings Settings =>
        new()
        {
            Threads = 1,
            Log = OrtLoggingLevel.ORT_LOGGING_LEVEL_FATAL,
            Entries = ByteKernels.MayClip ? [IdleCores, ExactBytes] : [IdleCores],
            Provider = Provider == ExecutionProvider.Cpu ? null : AppendProvider,
        };

    /// <summary>
    /// Where networks are trained: null on the CPU. TensorRT compiles graphs of fixed weights; on its GPU CUDA trains.
    /// </summary>
    internal TrainingDevice? TrainingDevice =>
        Provider == ExecutionProvider.Cpu
            ? null
            : new TrainingDevice
            {
                Name = FormattableString.Invariant($"CUDA {DeviceId}"),
                Append = options => Append(ExecutionProvider.Cuda, () => AppendForTraining(options)),
                Memory = () =>
                    new OrtMemoryInfo("Cuda", OrtAllocatorType.DeviceAllocator, DeviceId, OrtMemType.Default),
            };

    /// <summary>Tries whether the device can be used.</summary>
    /// <exception cref="DeviceException">The provider is not in this build, or its libraries do not load; the message
    /// says which and how to mend it.</exception>
    internal void RequireDevice() => Settings.ToOptions().Dispose();

    private void AppendProvider(SessionOptions options) =>
        Append(
            Provider,
            () =>
            {
                if (Provider == ExecutionProvider.Cuda)
                    options.AppendExecutionProvider_CUDA(DeviceId);
                else
                    options.AppendExecutionProvider_Tensorrt(DeviceId);
            }
        );

    /// <summary>
    /// Products of float32, not of TF32, and algorithms chosen by rule instead of by a race, which the next run could
    /// win with another.
    /// </summary>
    private void AppendForTraining(SessionOptions options)
    {
        using OrtCUDAProviderOptions cuda = new();
        cuda.UpdateOptions(
            new Dictionary<string, string>
            {
                ["device_id"] = DeviceId.ToString(CultureInfo.InvariantCulture),
                ["use_tf32"] = "0",
                ["cudnn_conv_algo_search"] = "HEURISTIC",
            }
        );
        options.AppendExecutionProvider_CUDA(cuda);
    }

    private static void Append(ExecutionProvider provider, Action append)
    {
        try
        {
            append();
        }
        catch (Exception e) when (e is OnnxRuntimeException or EntryPointNotFoundException or DllNotFoundException)
        {
            string fix = HasGpuProviders
                ? "Install what it names, in the version it names, and put its folder on the library path; or use "
                    + "the CPU. 'mlnet-transfer doctor' shows what is there."
                : "This build has no GPU provider: build with -p:Gpu=true, or reference the package "
                    + "Microsoft.ML.OnnxRuntime.Gpu instead of Microsoft.ML.OnnxRuntime; or use the CPU. "
                    + "'mlnet-transfer doctor' shows what is there.";
            throw new DeviceException(
                $"{provider} cannot be used: {MissingLibrary(provider)}{OneLine(e.Message)} {fix}",
                e
            );
        }
    }

    /// <summary>
    /// The library that the provider's own needs and the system does not find; ONNX Runtime tells its log alone. Empty
    /// where that cannot be said.
    /// </summary>
    private static string MissingLibrary(ExecutionProvider provider)
    {
        string name = provider == ExecutionProvider.Cuda ? "cuda" : "tensorrt";
        string file = OperatingSystem.IsWindows()
            ? $"onnxruntime_providers_{name}.dll"
            : $"libonnxruntime_providers_{name}.so";
        string[] folders =
        [
            AppContext.BaseDirectory,
            Path.Combine(AppContext.BaseDirectory, "runtimes", RuntimeInformation.RuntimeIdentifier, "native"),
        ];
        if (folders.Select(f => Path.Combine(f, file)).FirstOrDefault(File.Exists) is not { } path)
            return "";
        try
        {
            NativeLibrary.Free(NativeLibrary.Load(path));
            return "";
        }
        catch (Exception e) when (e is DllNotFoundException or BadImageFormatException)
        {
            Match missing = Regex.Match(e.Message, @"(?<library>[^\s/:]+\.so[.\d]*): cannot open shared object file");
            return missing.Success ? $"{missing.Groups["library"].Value} is missing. " : $"{file} does not load. ";
        }
    }

    /// <summary>
    /// Whether ONNX Runtime was built with NVIDIA's providers, whose libraries may be missing all the same.
    /// </summary>
    internal static bool HasGpuProviders => OrtEnv.Instance().GetAvailableProviders().Contains("CUDAExecutionProvider");

    private static string OneLine(string message)
    {
        string line = message.ReplaceLineEndings(" ").Trim();
        return line.EndsWith('.') ? line : line + ".";
    }
}

/// <summary>
/// The device that was asked for cannot be used: a matter of the machine, not of the model or the images.
/// </summary>
/// <param name="message">Which, why, and how to mend it.</param>
/// <param name="inner">The cause.</param>
public sealed class DeviceException(string message, Exception? inner = null) : TransferException(message, inner);

/// <summary>What runs the graphs.</summary>
public enum ExecutionProvider
{
    /// <summary>The processor's cores. Always there; results are bit-identical for any number of workers.</summary>
    Cpu,

    /// <summary>An NVIDIA GPU by CUDA and cuDNN.</summary>
    Cuda,

    /// <summary>An NVIDIA GPU by TensorRT, which compiles a graph at its first use.</summary>
    TensorRt,
}

/// <summary>What ONNX Runtime's kernels on bytes do on this CPU.</summary>
internal static class ByteKernels
{
    private const int Features = 7,
        Avx512Vnni = 1 << 11,
        AvxVnni = 1 << 4;

    /// <summary>
    /// Whether products of unsigned and signed bytes may be clipped: x64 CPUs without VNNI instructions add pairs of
    /// them in 16 bits. There weights have to become unsigned, which is slower and right; elsewhere that would cost
    /// speed for nothing.
    /// </summary>
    public static bool MayClip => X86Base.IsSupported && !HasVnni;

    private static bool HasVnni =>
        X86Base.CpuId(0, 0).Eax >= Features
        && ((X86Base.CpuId(Features, 0).Ecx & Avx512Vnni) != 0 || (X86Base.CpuId(Features, 1).Eax & AvxVnni) != 0);
}
