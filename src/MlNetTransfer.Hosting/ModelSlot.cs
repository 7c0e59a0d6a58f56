using System.Diagnostics;
using System.Diagnostics.CodeAnalysis;
using Microsoft.Extensions.Logging;
using MlNetTransfer.Models;
using MlNetTransfer.Onnx;

namespace MlNetTransfer.Hosting;

/// <summary>
/// The place of one model: holds the engine of the file that is served, and exchanges it. Loading, exchanging and
/// stopping happen one at a time; requests never wait for them.
/// </summary>
[SuppressMessage(
    "Design",
    "CA1001",
    Justification = "StopAsync ends the watcher; the semaphore and the token source never make a handle. A "
        + "disposable model would be disposed by the container before the registry that stops it."
)]
internal sealed class ModelSlot(
    string name,
    string path,
    TransferModelOptions options,
    Admission admission,
    TransferInstruments instruments,
    TimeProvider clock,
    ILogger logger
)
{
    private readonly SemaphoreSlim gate = new(1, 1);
    private readonly CancellationTokenSource stopping = new();

    /// <summary>Engines that are not disposed yet: the one that serves, and those that finish.</summary>
    private readonly List<ModelEngine> engines = [];

    private ModelFileWatcher? watcher;
    private volatile Serving? serving;
    private volatile string? reloadError,
        registryError;
    private volatile bool stopped;

    /// <summary>The file's state that was loaded or refused last, and one that is not settled yet.</summary>
    private FileStamp? judged,
        candidate;

    /// <summary>Whether a model has been loaded, or will never be.</summary>
    public bool IsStarted => serving is not null || stopped;

    /// <summary>SHA-256 of the file that is served; null where none is.</summary>
    public string? ServedSha256 => serving?.Engine.Model.Version.Sha256;

    public TransferModelStatus Status =>
        serving is { } now
            ? new(
                name,
                path,
                TransferModelState.Serving,
                now.Engine.Model.Version,
                now.Engine.Model.Model.ClassNames,
                now.LoadedAt,
                reloadError
            )
            {
                RegistryError = registryError,
            }
            : new(
                name,
                path,
                stopped ? TransferModelState.Stopped : TransferModelState.NotLoaded,
                null,
                [],
                null,
                reloadError
            )
            {
                RegistryError = registryError,
            };

    /// <summary>Hands a request to the engine of the moment.</summary>
    /// <exception cref="ModelStoppedException">There is none any more.</exception>
    public ModelEngine Accept(PredictRequest request)
    {
        // An engine is closed only after its successor is in place, so a refusal means that there is a newer one, or
        // none.
        while (serving is { } now)
            if (now.Engine.TryAdd(request))
                return now.Engine;
        throw new ModelStoppedException(name);
    }

    /// <summary>Loads the file, unless that is done.</summary>
    public async Task StartAsync(CancellationToken cancellation)
    {
        await gate.WaitAsync(cancellation).ConfigureAwait(false);
        try
        {
            if (IsStarted)
                return;
            await LoadAsync(cancellation).ConfigureAwait(false);
            if (options.WatchFile)
                watcher = new ModelFileWatcher(path, options, clock, LookAsync, logger);
        }
        finally
        {
            gate.Release();
        }
    }

    /// <summary>Serves what the file holds now; false where that is served already.</summary>
    public async Task<bool> ReloadAsync(CancellationToken cancellation)
    {
        if (!IsStarted)
            await StartAsync(cancellation).ConfigureAwait(false);
        await RefreshAsync(cancellation).ConfigureAwait(false);
        await gate.WaitAsync(cancellation).ConfigureAwait(false);
        try
        {
            return await ExchangeAsync(cancellation).ConfigureAwait(false);
        }
        finally
        {
            gate.Release();
        }
    }

    /// <summary>Takes no more requests, answers those accepted, and disposes everything.</summary>
    /// <param name="hurry">Once cancelled, requests that no worker has taken are refused; those in hand are still
    /// answered.</param>
    public async Task StopAsync(CancellationToken hurry)
    {
        await stopping.CancelAsync().ConfigureAwait(false);
        bool isAlone = await EnteredAsync(hurry).ConfigureAwait(false);
        ModelEngine? last;
        ModelEngine[] left;
        lock (engines)
        {
            stopped = true;
            last = serving?.Engine;
            serving = null;
            left = [.. engines];
        }

        watcher?.Dispose();
        last?.Close();
        if (isAlone)
            gate.Release();
        Task drained = Task.WhenAll(left.Select(e => e.Drained));
        await drained.WaitAsync(hurry).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
        foreach (ModelEngine engine in left)
            engine.Abandon();
        await drained.ConfigureAwait(false);
    }

    /// <summary>Waits for a load to end, but not for one that hangs; false where it was not waited for.</summary>
    private async Task<bool> EnteredAsync(CancellationToken hurry)
    {
        try
        {
            if (!await gate.WaitAsync(0, CancellationToken.None).ConfigureAwait(false))
                await gate.WaitAsync(hurry).ConfigureAwait(false);
            return true;
        }
        catch (OperationCanceledException)
        {
            return false;
        }
    }

    /// <summary>Looks whether the file has changed and stays as it is; says when to look again.</summary>
    private async Task<TimeSpan> LookAsync()
    {
        try
        {
            await RefreshAsync(stopping.Token).ConfigureAwait(false);
        }
        catch (Exception e) when (e is not OperationCanceledException)
        {
            return options.PollInterval;
        }

        await gate.WaitAsync(stopping.Token).ConfigureAwait(false);
        try
        {
            FileStamp? now = FileStamp.Of(path);
            if (now == judged)
            {
                candidate = null;
                return options.PollInterval;
            }

            if (now != candidate && options.Debounce > TimeSpan.Zero)
            {
                candidate = now;
                return options.Debounce;
            }

            await ExchangeAsync(stopping.Token).ConfigureAwait(false);
            return options.PollInterval;
        }
        finally
        {
            gate.Release();
        }
    }

    /// <summary>
    /// Lets a registry that is no folder bring the file up to date; where it cannot, what is served goes on.
    /// </summary>
    private async Task RefreshAsync(CancellationToken cancellation)
    {
        try
        {
            // A database that is away is waited for; whoever stops does not wait for it.
            await Task.Run(() => ModelRegistry.Refresh(options.Path), cancellation)
                .WaitAsync(cancellation)
                .ConfigureAwait(false);
            registryError = null;
        }
        catch (Exception e) when (e is not OperationCanceledException)
        {
            if (registryError != e.Message)
                Log.NotRefreshed(logger, name, options.Path, e.Message);
            registryError = e.Message;
            throw;
        }
    }

    private async Task<bool> ExchangeAsync(CancellationToken cancellation)
    {
        if (stopped || serving is not { } now)
            throw new ModelStoppedException(name);
        candidate = null;
        FileStamp? stamp = FileStamp.Of(path);
        ModelEngine old = now.Engine;
        try
        {
            if (
                stamp is { Length: > 0 }
                && await Task.Run(() => LoadedModel.Hash(path), cancellation).ConfigureAwait(false)
                    == old.Model.Version.Sha256
            )
            {
                (judged, reloadError) = (stamp, null);
                return false;
            }

            await LoadAsync(cancellation).ConfigureAwait(false);
            old.Close();
            instruments.Reload(name, "ok");
            return true;
        }
        catch (Exception e) when (e is not OperationCanceledException)
        {
            (judged, reloadError) = (stamp, e.Message);
            instruments.Reload(name, "failed");
            Log.ReloadFailed(logger, name, path, old.Model.Version.Sha256, e);
            throw;
        }
    }

    private async Task LoadAsync(CancellationToken cancellation)
    {
        using Activity? activity = TransferTelemetry.Source.StartActivity(TransferTelemetry.ReloadActivity);
        activity?.SetTag(TransferTelemetry.ModelTag, name);
        try
        {
            FileStamp? stamp = FileStamp.Of(path);
            IReadOnlyList<string>? expected = options.RequireSameLabels ? serving?.Engine.Model.Model.ClassNames : null;
            ModelEngine engine = await Task.Run(
                    () =>
                        new ModelEngine(
                            new EngineContext(
                                name,
                                LoadedModel.Load(name, path, options, expected, cancellation),
                                options,
                                admission,
                                instruments,
                                clock
                            )
                        ),
                    cancellation
                )
                .ConfigureAwait(false);
            if (!TryServe(engine))
            {
                engine.Close();
                engine.Abandon();
                throw new ModelStoppedException(name);
            }

            (judged, reloadError) = (stamp, null);
            activity?.SetTag(TransferTelemetry.Sha256Tag, engine.Model.Version.Sha256);
            FreedMemory.GiveBack();
            Log.Loaded(logger, name, path, engine.Model.Version.Sha256, engine.Model.Model.ClassNames.Count);
        }
        catch (Exception e)
        {
            activity?.SetStatus(ActivityStatusCode.Error, e.Message);
            throw;
        }
    }

    /// <summary>Serves an engine from now on; false where the model was stopped while it was loaded.</summary>
    private bool TryServe(ModelEngine engine)
    {
        lock (engines)
        {
            if (stopped)
                return false;
            engines.Add(engine);
            serving = new Serving(engine, clock.GetUtcNow());
        }

        // A model holds its file's bytes: what is disposed must not stay reachable until the next reload.
        engine.Drained.ContinueWith(
            _ =>
            {
                lock (engines)
                    engines.Remove(engine);
                FreedMemory.GiveBack();
            },
            TaskScheduler.Default
        );
        return true;
    }

    private sealed record Serving(ModelEngine Engine, DateTimeOffset LoadedAt);
}

/// <summary>
/// What tells two states of a file apart without reading it. Links are followed, so an exchanged link counts as well.
/// </summary>
internal readonly record struct FileStamp(long Length, DateTime Written)
{
    /// <summary>The file's stamp; null where it cannot be opened.</summary>
    public static FileStamp? Of(string path)
    {
        try
        {
            // What has no bytes may be a pipe, which would block whoever opens it.
            if (RegularFile.HasNoBytes(path))
                return new FileStamp(0, File.GetLastWriteTimeUtc(path));
            using Microsoft.Win32.SafeHandles.SafeFileHandle file = RegularFile.OpenHandle(path);
            return new FileStamp(RandomAccess.GetLength(file), File.GetLastWriteTimeUtc(file));
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            return null;
        }
    }
}

/// <summary>Which model answered.</summary>
/// <param name="Sha256">SHA-256 of the model file, hexadecimal.</param>
/// <param name="TrainingDigest">SHA-256 over all that training depended on, hexadecimal; equal for files trained
/// equally.</param>
public sealed record ModelVersion(string Sha256, string TrainingDigest);
