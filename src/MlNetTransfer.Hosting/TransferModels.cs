using System.Diagnostics.Metrics;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Hosting;
using Microsoft.Extensions.Logging;
using Microsoft.Extensions.Logging.Abstractions;
using Microsoft.Extensions.Options;
using MlNetTransfer.Imaging;
using MlNetTransfer.Jobs;
using MlNetTransfer.Models;
using MlNetTransfer.Selective;

namespace MlNetTransfer.Hosting;

/// <summary>All models registered with <c>AddTransferModel</c>. Thread-safe.</summary>
public interface ITransferModels
{
    /// <summary>The registered names, in the order of registration.</summary>
    IReadOnlyList<string> Names { get; }

    /// <summary>The model registered under a name.</summary>
    /// <exception cref="KeyNotFoundException">No model has this name; the message lists those there are.</exception>
    ITransferPredictor this[string name] { get; }

    /// <summary>
    /// Looks at the model's file now, whatever the watcher does, and serves it if its content is another one.
    /// </summary>
    /// <param name="name">The registered name.</param>
    /// <param name="cancellation">Ends the wait; the old model then goes on.</param>
    /// <returns>True where another model is now served; false where the file holds what is served already.</returns>
    /// <exception cref="KeyNotFoundException">No model has this name.</exception>
    /// <exception cref="TransferException">The file cannot be served; the old model goes on, and
    /// <see cref="ITransferPredictor.Status"/> says why.</exception>
    Task<bool> ReloadAsync(string name, CancellationToken cancellation = default);
}

/// <summary>
/// A hosted model: gives the class of one image at a time to any number of concurrent callers. Thread-safe.
/// </summary>
/// <remarks>
/// The model is loaded when the host starts, before any hosted service, or at first use where there is no host. While
/// its file is exchanged, requests go on: those already accepted are answered by the model they were accepted by.
/// </remarks>
public interface ITransferPredictor
{
    /// <summary>Name under which the model was registered.</summary>
    string Name { get; }

    /// <summary>What is being served at this moment, and how the last reload went.</summary>
    TransferModelStatus Status { get; }

    /// <summary>Predicts the class of an image in memory.</summary>
    /// <param name="image">The bytes of an image file (JPEG, PNG, WebP, GIF, TIFF, AVIF or BMP). They must not change
    /// until the task ends.</param>
    /// <param name="cancellation">Ends a waiting request at once. One whose image is being decoded or run ends right
    /// after that, a matter of milliseconds, so that its memory is not given back too early.</param>
    /// <exception cref="ImageTooLargeException">The image has more bytes than
    /// <see cref="ImageLimits.MaxBytes"/>.</exception>
    /// <exception cref="ImageRejectedException">The image cannot be used; no other request is affected.</exception>
    /// <exception cref="ModelBusyException">As many requests are waiting as may wait.</exception>
    /// <exception cref="ModelStoppedException">The host is shutting down.</exception>
    /// <exception cref="TransferException">The model could not be loaded, or the device failed.</exception>
    Task<TransferPrediction> PredictAsync(ReadOnlyMemory<byte> image, CancellationToken cancellation = default);

    /// <summary>
    /// Predicts the class of an image that is read from a stream, into pooled memory and no further than one byte past
    /// the limit.
    /// </summary>
    /// <param name="image">The bytes of an image file, such as the body of a request. Read to its end, not
    /// disposed.</param>
    /// <param name="cancellation">Ends reading and waiting at once.</param>
    /// <exception cref="ImageTooLargeException">The stream has more bytes than <see cref="ImageLimits.MaxBytes"/>;
    /// where its length is known, nothing was read.</exception>
    /// <exception cref="ImageRejectedException">The image cannot be used; no other request is affected.</exception>
    /// <exception cref="ModelBusyException">As many requests are waiting as may wait; where that is so from the start,
    /// nothing was read.</exception>
    /// <exception cref="ModelStoppedException">The host is shutting down.</exception>
    /// <exception cref="TransferException">The model could not be loaded, or the device failed.</exception>
    Task<TransferPrediction> PredictAsync(Stream image, CancellationToken cancellation = default);

    /// <summary>
    /// Predicts the class of an image in memory as <see cref="PredictAsync(ReadOnlyMemory{byte}, CancellationToken)"/>
    /// does, with wishes of its own.
    /// </summary>
    /// <param name="image">The bytes of an image file. They must not change until the task ends.</param>
    /// <param name="wishes">What this request wants otherwise than the model's options say.</param>
    /// <param name="cancellation">Ends a waiting request at once.</param>
    Task<TransferPrediction> PredictAsync(
        ReadOnlyMemory<byte> image,
        PredictionWishes wishes,
        CancellationToken cancellation = default
    );
}

/// <summary>What one request wants otherwise than the options of the model say. Immutable.</summary>
public sealed record PredictionWishes
{
    /// <summary>Likeliest classes in the answer, in [1, 1000]; null for as many as the options say.</summary>
    public int? Top
    {
        get;
        init =>
            field = value is null or (>= 1 and <= 1000)
                ? value
                : throw new ArgumentOutOfRangeException(nameof(Top), value, "Top must be in [1, 1000].");
    }

    /// <summary>
    /// Least probability, in [0, 1], below which the answer says that the model abstains; null for what the model file
    /// says.
    /// </summary>
    public double? Threshold
    {
        get;
        init =>
            field = value is null or (>= 0 and <= 1)
                ? value
                : throw new ArgumentOutOfRangeException(nameof(Threshold), value, "Threshold must be in [0, 1].");
    }

    /// <summary>None.</summary>
    internal static PredictionWishes None { get; } = new();
}

/// <summary>What a hosted model says of one image.</summary>
/// <param name="Label">The likeliest class; of equal ones, that with the lower index.</param>
/// <param name="Probability">Its calibrated probability, in [0, 1].</param>
/// <param name="Top">The likeliest classes, falling; as many as <see cref="TransferModelOptions.Top"/>, or all.</param>
/// <param name="Model">Which model said it.</param>
public sealed record TransferPrediction(
    string Label,
    float Probability,
    IReadOnlyList<LabelProbability> Top,
    ModelVersion Model
)
{
    /// <summary>
    /// Whether the model is not sure: the answer would be wrong more often than was asked for in training; null where
    /// it cannot say.
    /// </summary>
    public bool? Abstained { get; init; }

    /// <summary>The classes that come into question, likeliest first; null where the model cannot say.</summary>
    public IReadOnlyList<string>? PredictionSet { get; init; }

    /// <summary>Whether the image is unlike all training images; null where the model does not score that.</summary>
    public bool? Unknown { get; init; }

    /// <summary>How unlike, at least 0, the threshold being 1; null where the model does not score that.</summary>
    public float? UnknownScore { get; init; }

    /// <summary>What the model's file says of that threshold; null where it has none.</summary>
    internal UnknownImages? UnknownFacts { get; init; }

    /// <summary>Takes all from what a model says of an image.</summary>
    /// <param name="model">The model.</param>
    /// <param name="answer">A row of <see cref="TransferModel.Answers"/>.</param>
    /// <param name="top">Classes to list.</param>
    /// <param name="sets">How the set of classes is made.</param>
    /// <param name="version">Which model it is.</param>
    /// <param name="threshold">Least probability; null for what the model says.</param>
    internal static TransferPrediction Of(
        TransferModel model,
        ReadOnlySpan<float> answer,
        int top,
        ClassSetKind sets,
        ModelVersion version,
        double? threshold
    )
    {
        ReliabilityVerdict verdict = model.Judge(answer, sets);
        TransferPrediction plain = Of(model.ClassNames, answer[..model.ClassNames.Count], top, version);
        return plain with
        {
            Abstained = threshold is { } least ? plain.Probability < least : verdict.Abstains,
            PredictionSet = verdict.Set is { } set ? [.. set.Select(c => model.ClassNames[c])] : null,
            Unknown = verdict.IsUnknown,
            UnknownScore = verdict.Unknown,
            UnknownFacts = model.Metadata.Reliability?.Unknown,
        };
    }

    /// <summary>Takes the likeliest classes from a row of probabilities.</summary>
    internal static TransferPrediction Of(
        IReadOnlyList<string> labels,
        ReadOnlySpan<float> row,
        int top,
        ModelVersion model
    )
    {
        Span<int> best = stackalloc int[Math.Min(top, row.Length)];
        int found = 0;
        for (int c = 0; c < row.Length; c++)
        {
            int place = found;
            // Strictly greater: of equal probabilities the lower index stays in front.
            while (place > 0 && row[c] > row[best[place - 1]])
                place--;
            if (place == best.Length)
                continue;
            found = Math.Min(found + 1, best.Length);
            best[place..(found - 1)].CopyTo(best[(place + 1)..]);
            best[place] = c;
        }

        var classes = new LabelProbability[found];
        for (int i = 0; i < found; i++)
            classes[i] = new LabelProbability(labels[best[i]], row[best[i]]);
        return new TransferPrediction(classes[0].Label, classes[0].Probability, classes, model);
    }
}

/// <summary>Where a hosted model is in its life.</summary>
public enum TransferModelState
{
    /// <summary>Not loaded yet, or loading failed.</summary>
    NotLoaded,

    /// <summary>Answering requests.</summary>
    Serving,

    /// <summary>Shut down with its host.</summary>
    Stopped,
}

/// <summary>What a hosted model is serving, and how the last look at its file went.</summary>
/// <param name="Name">Name under which the model was registered.</param>
/// <param name="Path">Full path of the file.</param>
/// <param name="State">Where the model is in its life.</param>
/// <param name="Version">Which file is served; null where none is.</param>
/// <param name="Labels">The classes; the index is the label id. Empty where no model is loaded.</param>
/// <param name="LoadedAt">When it was loaded; null where none is.</param>
/// <param name="ReloadError">Why the file that is there now is not served; null where it is.</param>
public sealed record TransferModelStatus(
    string Name,
    string Path,
    TransferModelState State,
    ModelVersion? Version,
    IReadOnlyList<string> Labels,
    DateTimeOffset? LoadedAt,
    string? ReloadError
)
{
    /// <summary>
    /// Whether the images of late are less like the training images than others of their kind would be; null where the
    /// model file does not score that, or too few images have come.
    /// </summary>
    public DriftStatus? Drift { get; init; }

    /// <summary>How the candidate beside the model does; null where there is none.</summary>
    public CandidateStatus? Candidate { get; init; }

    /// <summary>
    /// Why the registry cannot be asked at the moment whether there is another version; null where it can, or where the
    /// model is a file.
    /// </summary>
    public string? RegistryError { get; init; }
}

/// <summary>The hosted models of a container; they end with it.</summary>
internal sealed class TransferModels : ITransferModels, IDisposable, IAsyncDisposable
{
    private readonly Dictionary<string, HostedModel> models = new(StringComparer.Ordinal);
    private readonly TransferInstruments instruments;

    public TransferModels(
        IServiceProvider services,
        IEnumerable<TransferModelRegistration> registrations,
        IOptionsMonitor<TransferModelOptions> options
    )
    {
        Names = [.. registrations.Select(r => r.Name)];
        instruments = new TransferInstruments(services.GetService<IMeterFactory>());
        TimeProvider clock = services.GetService<TimeProvider>() ?? TimeProvider.System;
        ILogger logger = (services.GetService<ILoggerFactory>() ?? NullLoggerFactory.Instance).CreateLogger(
            Log.Category
        );
        string root = services.GetService<IHostEnvironment>()?.ContentRootPath ?? Environment.CurrentDirectory;
        foreach (string name in Names)
        {
            TransferModelOptions own = options.Get(name);
            models.Add(
                name,
                new HostedModel(
                    name,
                    Path.GetFullPath(ModelRegistry.FileToFollow(own.Path), Path.GetFullPath(root)),
                    own,
                    instruments,
                    clock,
                    logger
                )
            );
        }

        foreach (string name in Names)
            models[name].Compare(options.Get(name), Candidate);

        HostedModel Candidate(string of, string name) =>
            name != of && models.TryGetValue(name, out HostedModel? model)
                ? model
                : throw new OptionsValidationException(
                    of,
                    typeof(TransferModelOptions),
                    [
                        $"Model '{of}': its candidate is '{name}'; another registered model was expected "
                            + $"({string.Join(", ", Names.Where(n => n != of))}). Register it with "
                            + $"AddTransferModel(\"{name}\", path).",
                    ]
                );
    }

    public IReadOnlyList<string> Names { get; }

    /// <summary>The only model.</summary>
    /// <exception cref="InvalidOperationException">There are several.</exception>
    public ITransferPredictor Single =>
        Names.Count == 1
            ? Find(Names[0])
            : throw new InvalidOperationException(
                $"{Names.Count} models are registered ({string.Join(", ", Names)}), so an "
                    + $"{nameof(ITransferPredictor)} must be asked for by name: "
                    + $"[FromKeyedServices(\"{Names[0]}\")], or {nameof(ITransferModels)}[\"{Names[0]}\"]."
            );

    public ITransferPredictor this[string name] => Find(name);

    public Task<bool> ReloadAsync(string name, CancellationToken cancellation = default) =>
        Find(name).ReloadAsync(cancellation);

    public Task StartAsync(CancellationToken cancellation) =>
        Task.WhenAll(models.Values.Select(m => m.StartAsync(cancellation)));

    public Task StopAsync(CancellationToken hurry) => Task.WhenAll(models.Values.Select(m => m.StopAsync(hurry)));

    public async ValueTask DisposeAsync()
    {
        // Whoever disposes without stopping first does not want to wait for a queue.
        await StopAsync(new CancellationToken(canceled: true)).ConfigureAwait(false);
        instruments.Dispose();
    }

    public void Dispose() => DisposeAsync().AsTask().GetAwaiter().GetResult();

    internal HostedModel Find(string name) =>
        models.TryGetValue(name, out HostedModel? model)
            ? model
            : throw new KeyNotFoundException(
                $"No model '{name}' is registered; there are: {string.Join(", ", Names)}. Register it with "
                    + $"AddTransferModel(\"{name}\", path)."
            );
}

/// <summary>
/// Loads the models before any hosted service (the web server is one) starts, and stops them after all have stopped:
/// who still has work to do finds them.
/// </summary>
internal sealed class TransferModelsLifetime(TransferModels models) : IHostedLifecycleService
{
    public Task StartingAsync(CancellationToken cancellationToken) => models.StartAsync(cancellationToken);

    public Task StartAsync(CancellationToken cancellationToken) => Task.CompletedTask;

    public Task StartedAsync(CancellationToken cancellationToken) => Task.CompletedTask;

    public Task StoppingAsync(CancellationToken cancellationToken) => Task.CompletedTask;

    public Task StopAsync(CancellationToken cancellationToken) => Task.CompletedTask;

    public Task StoppedAsync(CancellationToken cancellationToken) => models.StopAsync(cancellationToken);
}
