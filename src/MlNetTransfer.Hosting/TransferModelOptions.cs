using System.Runtime.CompilerServices;
using Microsoft.Extensions.Options;
using MlNetTransfer.Backbones;
using MlNetTransfer.Imaging;
using MlNetTransfer.Selective;

namespace MlNetTransfer.Hosting;

/// <summary>
/// How a model is served: named options of .NET, so that code and configuration can set them. Checked when the host
/// starts; changes after that have no effect.
/// </summary>
public sealed class TransferModelOptions
{
    /// <summary>
    /// The model file, written by <c>train</c>, or registry:NAME@STAGE, which is followed. A relative path starts at
    /// the host's content root, or at the current folder where there is no host.
    /// </summary>
    public string Path { get; set; } = "";

    /// <summary>Likeliest classes in a prediction, in [1, 1000]. Default 3.</summary>
    public int Top { get; set; } = 3;

    /// <summary>How the set of classes of each image is made. Default LAC: the smallest sets on average.</summary>
    public ClassSetKind Sets { get; set; }

    /// <summary>
    /// What runs the model. Default the CPU. Another device must give the CPU's numbers before it is used.
    /// </summary>
    public ExecutionProvider Device { get; set; }

    /// <summary>
    /// Threads that decode (and on a CPU also run), in [1, 1024]. No result depends on it. Default: one per core.
    /// </summary>
    public int Workers { get; set; } = Environment.ProcessorCount;

    /// <summary>
    /// Requests that may wait for a worker, in [1, 1,000,000]; one more is refused with
    /// <see cref="ModelBusyException"/>. Default 256.
    /// </summary>
    public int MaxWaiting { get; set; } = 256;

    /// <summary>
    /// Images run together, in [1, 1024]. Default 1, which is best on a CPU; 16 to 64 suit a GPU. Same numbers to 1e-6
    /// on the CPU.
    /// </summary>
    public int MaxBatchSize { get; set; } = 1;

    /// <summary>
    /// How long the oldest image of a batch waits for more, in [0, 10 s]. Default 2 ms. Without effect where
    /// <see cref="MaxBatchSize"/> is 1.
    /// </summary>
    public TimeSpan MaxDelay { get; set; } = TimeSpan.FromMilliseconds(2);

    /// <summary>What an image may cost.</summary>
    public ImageLimits Limits { get; set; } = new();

    /// <summary>Whether the model is exchanged when its file changes. Default true.</summary>
    public bool WatchFile { get; set; } = true;

    /// <summary>How long the file must stay as it is before it is loaded, in [0, 1 h]. Default 0.5 s.</summary>
    public TimeSpan Debounce { get; set; } = TimeSpan.FromMilliseconds(500);

    /// <summary>
    /// How often the file is looked at, since no file watcher tells of every change, in [10 ms, 1 day]. Default 5 s.
    /// </summary>
    public TimeSpan PollInterval { get; set; } = TimeSpan.FromSeconds(5);

    /// <summary>
    /// Name of another registered model, which is run beside this one on a share of the images; how they differ is
    /// logged and measured. Default empty: none.
    /// </summary>
    public string Candidate { get; set; } = "";

    /// <summary>Share of the images that the candidate takes part in, in (0, 1]. Default 1.</summary>
    public double CandidateShare { get; set; } = 1;

    /// <summary>
    /// Whether the candidate answers for the images that it takes part in (a canary), or only looks on (a shadow),
    /// which it does after the answer and where it has nothing else to do. A canary that fails leaves the answer to
    /// this model. Default false.
    /// </summary>
    public bool CandidateAnswers { get; set; }

    /// <summary>
    /// Whether a new file with other classes, or the same in another order, is refused. Default false.
    /// </summary>
    public bool RequireSameLabels { get; set; }
}

/// <summary>Names every option that is out of its range, with the value found and the range.</summary>
internal sealed class TransferModelOptionsValidator : IValidateOptions<TransferModelOptions>
{
    public ValidateOptionsResult Validate(string? name, TransferModelOptions options)
    {
        List<string> wrong = [];
        if (string.IsNullOrWhiteSpace(options.Path))
            wrong.Add(
                $"{nameof(options.Path)} is empty; the path of a model.onnx written by 'mlnet-transfer train' was "
                    + $"expected"
            );
        if (options.Limits is null)
            wrong.Add($"{nameof(options.Limits)} is null");
        if (!Enum.IsDefined(options.Device))
            wrong.Add($"{nameof(options.Device)} is {options.Device}; Cpu, Cuda or TensorRt was expected");
        if (!Enum.IsDefined(options.Sets))
            wrong.Add($"{nameof(options.Sets)} is {options.Sets}; Lac or Raps was expected");
        if (!(options.CandidateShare is > 0 and <= 1))
            wrong.Add(
                FormattableString.Invariant(
                    $"{nameof(options.CandidateShare)} is {options.CandidateShare}; above 0, to 1 was expected"
                )
            );
        Range(options.Top, 1, 1000);
        Range(options.Workers, 1, 1024);
        Range(options.MaxWaiting, 1, 1_000_000);
        Range(options.MaxBatchSize, 1, 1024);
        Range(options.MaxDelay, TimeSpan.Zero, TimeSpan.FromSeconds(10));
        Range(options.Debounce, TimeSpan.Zero, TimeSpan.FromHours(1));
        Range(options.PollInterval, TimeSpan.FromMilliseconds(10), TimeSpan.FromDays(1));
        return wrong.Count == 0
            ? ValidateOptionsResult.Success
            : ValidateOptionsResult.Fail(
                $"Model '{name}' ('{options.Path}'): {string.Join("; ", wrong)}. Correct it where "
                    + $"{nameof(TransferModelOptions)} is set."
            );

        void Range<T>(T value, T low, T high, [CallerArgumentExpression(nameof(value))] string option = "")
            where T : IComparable<T>
        {
            if (value.CompareTo(low) < 0 || value.CompareTo(high) > 0)
                wrong.Add(
                    FormattableString.Invariant(
                        $"{option["options.".Length..]} is {value}; {low} to {high} was expected"
                    )
                );
        }
    }
}

/// <summary>A call of <c>AddTransferModel</c>.</summary>
/// <param name="Name">Name of the model and of its options.</param>
internal sealed record TransferModelRegistration(string Name);
