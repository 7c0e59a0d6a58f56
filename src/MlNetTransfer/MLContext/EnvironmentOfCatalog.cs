using Microsoft.ML.Runtime;
using MlNetTransfer.Backbones;

namespace MlNetTransfer;

/// <summary>
/// What an estimator needs of the MLContext that it was made by: its log, and which GPU to use. ML.NET hands third
/// parties a catalog only (mlContext.Transforms), which knows both under interfaces that are not public; where a later
/// version has them no more, estimators work all the same, on the CPU and without a log.
/// </summary>
internal static class EnvironmentOfCatalog
{
    /// <param name="catalog">
    /// A catalog, e.g. <c>mlContext.Transforms</c> or <c>mlContext.MulticlassClassification.Trainers</c>.
    /// </param>
    /// <returns>What stands behind its context, or null.</returns>
    public static IHostEnvironment? Of(object catalog)
    {
        ArgumentNullException.ThrowIfNull(catalog);
        return Member(catalog, "Microsoft.ML.Data.IInternalCatalog", "Environment") as IHostEnvironment;
    }

    /// <summary>
    /// How graphs are run: on the GPU that <see cref="Microsoft.ML.MLContext.GpuDeviceId"/> names, else on the CPU.
    /// </summary>
    /// <param name="environment">The environment; null for the CPU.</param>
    /// <param name="workers">Workers; null for one per core.</param>
    /// <exception cref="TransferException"> The GPU cannot be used, and
    /// <see cref="Microsoft.ML.MLContext.FallbackToCpu"/> is false.
    /// </exception>
    public static ExecutionPlan Plan(IHostEnvironment? environment, int? workers)
    {
        ExecutionPlan cpu = ExecutionPlan.For(ExecutionProvider.Cpu, workers);
        const string Internal = "Microsoft.ML.Runtime.IHostEnvironmentInternal";
        if (environment is null || Member(environment, Internal, "GpuDeviceId") is not int device)
            return cpu;
        ExecutionPlan gpu = ExecutionPlan.For(ExecutionProvider.Cuda, workers) with { DeviceId = device };
        try
        {
            gpu.RequireDevice();
            return gpu;
        }
        catch (TransferException e) when (Member(environment, Internal, "FallbackToCpu") is not false)
        {
            Warn(environment, $"GPU {device} is not used, the CPU is: {e.Message}");
            return cpu;
        }
    }

    private static object? Member(object instance, string ofInterface, string property) =>
        instance.GetType().GetInterface(ofInterface)?.GetProperty(property)?.GetValue(instance);

    /// <summary>Writes a line to <see cref="Microsoft.ML.MLContext.Log"/>.</summary>
    public static void Inform(IHostEnvironment? environment, string message)
    {
        if (environment is null)
            return;
        using IChannel channel = environment.Start(Source);
        channel.Info(MessageSensitivity.None, message);
    }

    /// <summary>Writes a warning to <see cref="Microsoft.ML.MLContext.Log"/>.</summary>
    public static void Warn(IHostEnvironment? environment, string message)
    {
        if (environment is null)
            return;
        using IChannel channel = environment.Start(Source);
        channel.Warning(MessageSensitivity.None, message);
    }

    private const string Source = "MlNetTransfer";
}

/// <summary>
/// Tells <see cref="Microsoft.ML.MLContext.Log"/> how far long work is: when a stage begins and ends, and every two
/// seconds between.
/// </summary>
/// <param name="environment">Where to; null for nobody.</param>
/// <param name="also">Told of everything.</param>
internal sealed class LogProgress(IHostEnvironment? environment, IProgress<JobProgress>? also) : IProgress<JobProgress>
{
    private readonly Lock gate = new();
    private string stage = "";
    private long last;

    public void Report(JobProgress value)
    {
        also?.Report(value);
        lock (gate)
        {
            bool begins = stage != value.Stage,
                ends = value.Total > 0 && value.Done == value.Total;
            if (!begins && !ends && Environment.TickCount64 - last < 2000)
                return;
            (stage, last) = (value.Stage, Environment.TickCount64);
        }

        string far = value.Total > 0 ? FormattableString.Invariant($": {value.Done} of {value.Total}") : "";
        EnvironmentOfCatalog.Inform(environment, value.Stage + far);
    }
}
