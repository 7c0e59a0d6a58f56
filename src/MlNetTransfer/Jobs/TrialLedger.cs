namespace MlNetTransfer.Jobs;

/// <summary>
/// What a search has tried: trials.jsonl in its output folder. Where several processes search together, each holds a
/// lock file for the trial that it is at, which the system lets go of when the process ends, however it ends.
/// </summary>
internal sealed class TrialLedger
{
    private const int MostLooks = 50;
    private static readonly TimeSpan LookAgain = TimeSpan.FromMilliseconds(20);

    private readonly string folder,
        key;
    private readonly bool together;
    private readonly Ledger<TunedTrial>? own;
    private readonly CancellationToken cancellation;

    /// <param name="folder">The output folder.</param>
    /// <param name="key">Names the search; trials of another one are never taken.</param>
    /// <param name="together">Whether other processes write there too.</param>
    /// <param name="resume">Whether what is there is taken, by a process that is alone.</param>
    /// <param name="cancellation">Ends the waiting for others.</param>
    public TrialLedger(string folder, string key, bool together, bool resume, CancellationToken cancellation)
    {
        (this.folder, this.key, this.together, this.cancellation) = (folder, key, together, cancellation);
        if (together)
        {
            if (With(lines => lines.Lines.Count > 0 && lines.Lines.All(line => line.Key != key)))
                throw new TransferException(
                    $"'{File}' has the trials of another search: of other images or options, another version, or "
                        + "another kind of CPU or number of threads (fineTune.threads), where other numbers come out. "
                        + "Give another --output, or go on where it was begun."
                );
            return;
        }

        own = new Ledger<TunedTrial>(File, resume);
        own.Remove(line => line.Key != key);
    }

    /// <summary>
    /// Holds the folder for a process that is alone; one that searches together only waits until none is alone there.
    /// </summary>
    /// <exception cref="TransferException">Others are at work there, in the other way.</exception>
    public static IDisposable Hold(string folder, bool together, CancellationToken cancellation)
    {
        string shared = Path.Combine(folder, "together.lock");
        if (!together)
        {
            OutputLock held = OutputLock.OfFolder(folder);
            try
            {
                // Opened for itself alone it shows that no other process has it open.
                if (System.IO.File.Exists(shared))
                    using (new FileStream(shared, FileMode.Open, FileAccess.ReadWrite, FileShare.None)) { }
                System.IO.File.Delete(shared);
                return held;
            }
            catch (IOException e)
            {
                held.Dispose();
                throw new TransferException(
                    $"Folder '{folder}' is in use: other processes search there together. Wait until they are done, "
                        + "join them by --together, or give another --output.",
                    e
                );
            }
        }

        OutputLock.MakeFolder(folder);
        // Those that begin at the same moment meet here.
        for (int look = 1; ; look++)
            try
            {
                using (OutputLock.OfFolder(folder))
                    return new FileStream(shared, FileMode.OpenOrCreate, FileAccess.Read, FileShare.ReadWrite);
            }
            catch (TransferException e) when (OutputLock.IsHeld(e) && look < MostLooks)
            {
                Wait(cancellation);
            }
    }

    private string File => Path.Combine(folder, "trials.jsonl");

    /// <summary>What a trial gave; null where it is not over.</summary>
    public TunedTrial? Of(int trial, int epochs) =>
        With(lines =>
            lines.Lines.FirstOrDefault(line => line.Key == key && line.Trial == trial && line.Epochs == epochs)
        );

    /// <summary>Takes a trial for this process, until what it returns is disposed; null where another has it.</summary>
    public IDisposable? Take(int trial, int epochs) =>
        together
            ? OutputLock.TryOfFile(Path.Combine(folder, FormattableString.Invariant($"trial-{trial}-{epochs}-{key}")))
            : new Nobodys();

    /// <summary>Writes down what a trial gave.</summary>
    public void Add(TunedTrial trial) =>
        With(lines =>
        {
            lines.Add(trial);
            return true;
        });

    /// <summary>Works on the file while nobody else does.</summary>
    private T With<T>(Func<Ledger<TunedTrial>, T> work)
    {
        if (own is not null)
            return work(own);
        OutputLock? held;
        while ((held = OutputLock.TryOfFile(File)) is null)
            Wait(cancellation);
        using (held)
            return work(new Ledger<TunedTrial>(File, resume: true));
    }

    /// <summary>A trial of a process that is alone.</summary>
    private sealed class Nobodys : IDisposable
    {
        public void Dispose() { }
    }

    private static void Wait(CancellationToken cancellation)
    {
        cancellation.WaitHandle.WaitOne(LookAgain);
        cancellation.ThrowIfCancellationRequested();
    }
}
