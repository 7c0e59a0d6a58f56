using System.Diagnostics;
using MlNetTransfer.Backbones;
using MlNetTransfer.Datasets;
using MlNetTransfer.Scoring.Chains;

namespace MlNetTransfer.Scoring;

/// <summary>
/// Makes rows of inputs, a segment at a time. Rows begin with the column file and end with error and model.
/// </summary>
internal abstract class SegmentScorer : IDisposable
{
    /// <summary>Digits of a digest that a row has.</summary>
    public const int DigestDigits = 16;

    /// <summary>What tells its models from others.</summary>
    public abstract string Identity { get; }

    /// <summary>SHA-256 of the model file, hexadecimal.</summary>
    public abstract string ModelSha256 { get; }

    /// <summary>The columns of its rows.</summary>
    public abstract IReadOnlyList<ScoreColumn> Columns { get; }

    /// <summary>The part of the work that several models have in common; null where that is not known.</summary>
    public virtual double? Saved => 0;

    /// <summary>A row for every input: what the model says, or why it cannot.</summary>
    /// <param name="segment">The inputs.</param>
    /// <param name="progress">Told after every input, from any thread.</param>
    /// <param name="cancellation">Ends the work between two inputs.</param>
    public abstract object?[][] Score(
        IReadOnlyList<ScoreInput> segment,
        IProgress<JobProgress>? progress,
        CancellationToken cancellation
    );

    /// <inheritdoc/>
    public virtual void Dispose() { }

    /// <summary>Opens the models of a batch.</summary>
    /// <param name="options">The batch.</param>
    /// <param name="passed">Names of the columns that its input brings along.</param>
    /// <exception cref="TransferException">A model is missing or cannot be used, or an option does not go with
    /// it.</exception>
    public static SegmentScorer Of(ScoreOptions options, IReadOnlyList<string> passed) =>
        Path.GetExtension(options.Model).Equals(".zip", StringComparison.OrdinalIgnoreCase)
            ? SavedChain.Open(options, passed)
            : new ModelScorer(ScoredModels.Load(options), passed, options);

    /// <summary>Why an input has no answer; null where it has one.</summary>
    public static ref object? Error(object?[] row) => ref row[^2];

    /// <summary>A column's name that is not taken yet.</summary>
    public static string Free(string name, HashSet<string> taken)
    {
        while (!taken.Add(name))
            name = "input_" + name;
        return name;
    }
}

/// <summary>Models of this library, which take the images themselves.</summary>
/// <param name="models">The models; disposed with it.</param>
/// <param name="passed">Names of the columns that the input brings along.</param>
/// <param name="options">What is asked for.</param>
internal sealed class ModelScorer(ScoredModels models, IReadOnlyList<string> passed, ScoreOptions options)
    : SegmentScorer
{
    private readonly ScoreRows rows = new(models.Joint, models.Digests, passed, options);

    public override string Identity => models.Identity;

    public override string ModelSha256 => models.Digests[0];

    public override IReadOnlyList<ScoreColumn> Columns => rows.Columns;

    public override double? Saved => models.Joint.Saved;

    public override object?[][] Score(
        IReadOnlyList<ScoreInput> segment,
        IProgress<JobProgress>? progress,
        CancellationToken cancellation
    )
    {
        int[] usable = [.. Enumerable.Range(0, segment.Count).Where(i => segment[i].Location is not null)];
        DataItem[] items = Array.ConvertAll(usable, i => new DataItem(segment[i].Location!, segment[i].Key));
        ItemRows found = models.Joint.Answer(items, ScoreJob.Stage, progress, cancellation);
        var results = new object?[segment.Count][];
        for (int row = 0; row < found.Accepted.Length; row++)
        {
            int at = usable[found.Accepted[row]];
            results[at] = rows.Scored(segment[at], found.Row(row));
        }

        using IEnumerator<RejectedItem> reasons = found.Rejected.GetEnumerator();
        for (int i = 0; i < results.Length; i++)
            results[i] ??= rows.Rejected(
                segment[i],
                segment[i].Fault
                    ?? (
                        reasons.MoveNext()
                            ? reasons.Current.Reason
                            : throw new UnreachableException("An input has neither a row nor a rejection.")
                    )
            );
        return results;
    }

    public override void Dispose()
    {
        models.Dispose();
        base.Dispose();
    }
}
