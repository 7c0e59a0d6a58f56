namespace MlNetTransfer.Training;

/// <summary>
/// One training of a run whose folds several processes share: held by a lock file, kept as checkpoints, and marked when
/// it is done. Whoever comes later goes on with what is there.
/// </summary>
/// <remarks>Names have a part of the digest of all that the training depends on: processes whose trainings would
/// differ, since their machines have other numbers of cores, do not meet.</remarks>
internal sealed class SharedFold : IDisposable
{
    private const int Digits = 12;
    private static readonly TimeSpan LookAgain = TimeSpan.FromSeconds(1);

    private readonly string path;
    private readonly OutputLock held;

    private SharedFold(string path, OutputLock held)
    {
        (this.path, this.held) = (path, held);
        Metrics = new Ledger<EpochResult>($"{path}.jsonl", resume: true);
    }

    /// <summary>The checkpoints of a run, shared or not.</summary>
    public static string FolderOf(string output) => Path.Combine(output, "checkpoints");

    /// <summary>Removes them: the run is over, and whoever looks now finds that.</summary>
    public static void Remove(string output)
    {
        try
        {
            if (Directory.Exists(FolderOf(output)))
                Directory.Delete(FolderOf(output), recursive: true);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            // Another process has a look at this moment; what it leaves is of no use to anybody, and harms nobody.
        }
    }

    /// <summary>Its epochs.</summary>
    public Ledger<EpochResult> Metrics { get; }

    /// <summary>Whether the checkpoints are those of its end.</summary>
    public bool IsDone => File.Exists(DoneFile);

    private string DoneFile => $"{path}.done";

    /// <summary>Takes a training; null where another process is at it.</summary>
    /// <param name="folder">The folder of checkpoints.</param>
    /// <param name="fold">Which, see <see cref="FitContext.Fold"/>.</param>
    /// <param name="digest">Digest of all that it depends on.</param>
    public static SharedFold? Try(string folder, int fold, string digest)
    {
        OutputLock.MakeFolder(folder);
        string path = Path.Combine(folder, FormattableString.Invariant($"fold-{fold}-{digest[..Digits]}"));
        return OutputLock.TryOfFile(path) is { } held ? new SharedFold(path, held) : null;
    }

    /// <summary>Takes a training, once nobody else is at it.</summary>
    /// <inheritdoc cref="Try"/>
    public static SharedFold Wait(string folder, int fold, string digest, CancellationToken cancellation)
    {
        while (true)
        {
            if (Try(folder, fold, digest) is { } own)
                return own;
            cancellation.WaitHandle.WaitOne(LookAgain);
            cancellation.ThrowIfCancellationRequested();
        }
    }

    /// <summary>The file of its state.</summary>
    /// <param name="isRefit">Whether it is the second training, on all rows.</param>
    public string Checkpoint(bool isRefit) => $"{path}{(isRefit ? "-all" : "")}.safetensors";

    /// <summary>The learning rates that were tried for it.</summary>
    public Ledger<RateTrial> OpenRates() => new($"{path}-rates.jsonl", resume: true);

    /// <summary>Marks it as done.</summary>
    public void Done() => File.WriteAllText(DoneFile, "");

    /// <summary>Leaves it to others.</summary>
    public void Dispose() => held.Dispose();
}
