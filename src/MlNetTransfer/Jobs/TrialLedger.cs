namespace MlNetTransfer.Jobs;

/// <summary>
/// What a search has tried: trials.jsonl in its output folder. Where several processes search together, each holds a
/// lock file for the trial that it is at, which the system lets go of when the process ends, however it ends.
/// </summary>
internal sealed class TrialLedger
{
    private static readonly TimeSpan LookAgain = TimeSpan.FromMilliseconds(20);

    private readonly string folder,
        key;
    private readonly bool together;
    private readonly Ledger<TunedTrial>? own;

    /// <param name="folder">The output folder.</param>
    /// <param name="key">Names the search; trials of another one are never taken.</param>
    /// <param name="together">Whether other processes write there too.</param>
    /// <param name="resume">Whether what is there is taken, by a process that is alone.</param>
    public TrialLedger(string folder, string key, bool together, bool resume)
    {
        (this.folder, this.key, this.together) = (folder, key, together);
        if (together)
            return;
        own = new Ledger<TunedTrial>(File, resume);
        own.Remove(line => line.Key != key);
    }

    private string File => Path.Combine(folder, "trials.jsonl");

    /// <summary>What a trial gave; null where it is not over.</summary>
    public TunedTrial? Of(int trial, int epochs) =>
        With(lines =>
            lines.Lines.FirstOrDefault(line => line.Key == key && line.Trial == trial && line.Epochs == epochs)
        );

    /// <summary>Takes a trial for this process, until what it returns is disposed; null where another has it.</summary>
    public IDisposable? Take(int trial, int epochs) =>
        together ? Held(Path.Combine(folder, FormattableString.Invariant($"trial-{trial}-{epochs}"))) : new Nobodys();

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
        while ((held = Held(File)) is null)
            Thread.Sleep(LookAgain);
        using (held)
            return work(new Ledger<TunedTrial>(File, resume: true));
    }

    /// <summary>A trial of a process that is alone.</summary>
    private sealed class Nobodys : IDisposable
    {
        public void Dispose() { }
    }

    private static OutputLock? Held(string path)
    {
        try
        {
            return OutputLock.OfFile(path);
        }
        catch (TransferException e) when (e.InnerException is IOException held && OutputLock.IsHeld(held))
        {
            return null;
        }
    }
}
