using System.Text.Json.Serialization;
using MlNetTransfer.Backbones;
using MlNetTransfer.Imaging;
using MlNetTransfer.Onnx.Training;
using MlNetTransfer.Training;

namespace MlNetTransfer.Jobs;

/// <summary>Work from options to a summary: what commands, estimators and hosts call.</summary>
/// <typeparam name="TSummary">What the work found or wrote.</typeparam>
public interface IJob<out TSummary>
    where TSummary : class
{
    /// <summary>Runs the job.</summary>
    /// <param name="progress">Told how far each stage is, from any thread.</param>
    /// <param name="cancellation">Ends the job; files that were there stay as they were.</param>
    /// <exception cref="TransferException">Something the user can mend; the message names it and the fix.</exception>
    /// <exception cref="OperationCanceledException">The job was ended.</exception>
    TSummary Run(IProgress<JobProgress>? progress = null, CancellationToken cancellation = default);
}

/// <summary>
/// The options of a job: plain values, which say all of the work that is to be done and can be sent as JSON. Immutable.
/// </summary>
[JsonPolymorphic(TypeDiscriminatorPropertyName = RequestJson.Job)]
[JsonDerivedType(typeof(TrainOptions), "train")]
[JsonDerivedType(typeof(EvaluateOptions), "evaluate")]
[JsonDerivedType(typeof(PredictOptions), "predict")]
[JsonDerivedType(typeof(ClassifyOptions), "classify")]
[JsonDerivedType(typeof(CompareOptions), "compare")]
[JsonDerivedType(typeof(CompareModelsOptions), "compareModels")]
[JsonDerivedType(typeof(ExplainOptions), "explain")]
[JsonDerivedType(typeof(CheckOptions), "check")]
[JsonDerivedType(typeof(AdviseOptions), "advise")]
[JsonDerivedType(typeof(DistanceOptions), "distance")]
[JsonDerivedType(typeof(AdaptOptions), "adapt")]
[JsonDerivedType(typeof(ZeroShotOptions), "zeroShot")]
[JsonDerivedType(typeof(LearningRateOptions), "learningRate")]
[JsonDerivedType(typeof(TuneOptions), "tune")]
[JsonDerivedType(typeof(QuantizeOptions), "quantize")]
[JsonDerivedType(typeof(ExportOptions), "export")]
[JsonDerivedType(typeof(ImportOptions), "import")]
[JsonDerivedType(typeof(InspectOptions), "inspect")]
[JsonDerivedType(typeof(DoctorOptions), "doctor")]
public abstract record JobRequest
{
    private protected JobRequest() { }

    /// <summary>The job that does the work.</summary>
    /// <param name="services">What it takes from outside; null for the defaults.</param>
    public abstract IJob<object> CreateJob(JobServices? services = null);

    /// <summary>
    /// The request as a JSON object: "job" says which it is, members are the options in camel case. What is at its
    /// default is left out; it is then that of the machine and version that runs the job.
    /// </summary>
    public string ToJson() => RequestJson.Write(this);

    /// <summary>Reads what <see cref="ToJson"/> writes, equal to what was written.</summary>
    /// <param name="json">The JSON object; nothing in it is passed over.</param>
    /// <exception cref="TransferException">A member is unknown, missing, of another type or out of its range; the
    /// message names it, what was found and what is expected.</exception>
    public static JobRequest FromJson(string json) => RequestJson.Read(json);
}

/// <summary>The options of a job on many images or texts. Immutable.</summary>
public abstract record DataJobRequest : JobRequest
{
    private protected DataJobRequest() { }

    /// <summary>What an item may cost.</summary>
    public ImageLimits Limits { get; init; } = new();

    /// <summary>Images worked on at the same time, in [1, 1024]; no result depends on it. Default: one per
    /// core.</summary>
    public int Workers
    {
        get;
        init => field = new ExecutionPlan { Workers = value }.Workers;
    } = new ExecutionPlan().Workers;
}

/// <summary>What a job takes from outside, besides its options. Immutable.</summary>
public sealed record JobServices
{
    internal static JobServices Default { get; } = new();

    /// <summary>The backbones. Default <see cref="BackboneCatalog.Default"/>, read when it is needed.</summary>
    public BackboneCatalog Catalog
    {
        get => field ?? BackboneCatalog.Default;
        init;
    }

    /// <summary>Measures times. Default the system's.</summary>
    public TimeProvider Clock { get; init; } = TimeProvider.System;

    /// <summary>Told of each epoch of a training of the network. Default null.</summary>
    public Action<EpochResult>? OnEpoch { get; init; }

    /// <summary>Whether other processes train folds of the run too. Default false.</summary>
    internal bool SharesFolds { get; init; }

    /// <summary>Where networks are trained; null for where the options say. Default null.</summary>
    internal TrainingDevice? TrainingDevice { get; init; }

    /// <summary>
    /// The command line that asked for the job, which a report repeats so that the run can be made again. Default null:
    /// it was not asked for by one.
    /// </summary>
    public string? Command { get; init; }
}
