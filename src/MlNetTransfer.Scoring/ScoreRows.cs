using System.Numerics.Tensors;
using MlNetTransfer.Datasets;
using MlNetTransfer.Models;
using MlNetTransfer.Selective;

namespace MlNetTransfer.Scoring;

/// <summary>The type of a column.</summary>
internal enum ColumnType
{
    Text,

    /// <summary>Float32.</summary>
    Number,

    /// <summary>Float64.</summary>
    Double,

    /// <summary>Int64.</summary>
    Integer,
    Flag,

    /// <summary>Float32, as many in every row that has them.</summary>
    Vector,
}

/// <summary>A column of the output.</summary>
/// <param name="Name">Its name.</param>
/// <param name="Type">Its type; any value may be missing.</param>
internal sealed record ScoreColumn(string Name, ColumnType Type);

/// <summary>
/// The rows of a batch: file, the columns that the input brought along, prediction, probability, the next classes,
/// p_CLASS where asked for, abstained, set, unknown, unknown_score; the same and model of every further model, under
/// its name; the features where asked for; error, model (the first digits of its digest).
/// </summary>
internal sealed class ScoreRows
{
    private readonly JointModel model;
    private readonly (int Column, string Digest)[] digests;
    private readonly ScoreOptions options;
    private readonly int passed;

    /// <param name="model">The models.</param>
    /// <param name="digests">SHA-256 of the file of each.</param>
    /// <param name="passed">Names of the columns that the input brings along.</param>
    /// <param name="options">What is asked for.</param>
    /// <exception cref="TransferException">Two columns would have one name.</exception>
    public ScoreRows(
        JointModel model,
        IReadOnlyList<string> digests,
        IReadOnlyList<string> passed,
        ScoreOptions options
    )
    {
        (this.model, this.options, this.passed) = (model, options, passed.Count);
        ScoreColumn[] own =
        [
            .. model.Answers.SelectMany((answer, i) => Own(answer.Metadata, Prefix(i))),
            .. options.Features ? [new ScoreColumn("features", ColumnType.Vector)] : Array.Empty<ScoreColumn>(),
            new ScoreColumn("error", ColumnType.Text),
            new ScoreColumn("model", ColumnType.Text),
        ];
        HashSet<string> taken = ["file"];
        if (own.FirstOrDefault(column => !taken.Add(column.Name)) is { } twice)
            throw new TransferException(
                $"Two columns of the output would be called '{twice.Name}'. Give the other model another name, or "
                    + "leave --probabilities out."
            );
        // A database takes names that differ by case alone for one.
        taken = new HashSet<string>(taken, StringComparer.OrdinalIgnoreCase);
        Columns =
        [
            new ScoreColumn("file", ColumnType.Text),
            .. passed.Select(name => new ScoreColumn(SegmentScorer.Free(name, taken), ColumnType.Text)),
            .. own,
        ];
        List<string> names = [.. Columns.Select(column => column.Name)];
        this.digests =
        [
            .. digests.Select(
                (digest, i) => (names.LastIndexOf($"{Prefix(i)}model"), digest[..SegmentScorer.DigestDigits])
            ),
        ];
    }

    /// <summary>The columns.</summary>
    public IReadOnlyList<ScoreColumn> Columns { get; }

    /// <summary>The row of an input that was scored.</summary>
    /// <param name="input">The input.</param>
    /// <param name="found">A row of the models.</param>
    public object?[] Scored(ScoreInput input, ReadOnlySpan<float> found)
    {
        object?[] row = Begun(input);
        int at = 1 + passed;
        for (int i = 0; i < model.Answers.Count; i++)
        {
            JointAnswer answer = model.Answers[i];
            at = Fill(row, at, answer.Metadata, answer.Of(found)) + (i == 0 ? 0 : 1);
        }

        if (options.Features)
            row[at] = found[model.Features].ToArray();
        return row;
    }

    /// <summary>The row of an input that cannot be scored.</summary>
    public object?[] Rejected(ScoreInput input, string reason)
    {
        object?[] row = Begun(input);
        SegmentScorer.Error(row) = reason;
        return row;
    }

    /// <summary>Writes what a model says of an image; returns where the next begins.</summary>
    private int Fill(object?[] row, int at, ModelMetadata metadata, ReadOnlySpan<float> answer)
    {
        ReadOnlySpan<float> probabilities = answer[..metadata.Labels.Count];
        foreach (int label in Likeliest(probabilities))
        {
            row[at++] = metadata.Labels[label];
            row[at++] = probabilities[label];
        }

        if (options.Probabilities)
            foreach (float probability in probabilities)
                row[at++] = probability;
        ReliabilityVerdict verdict = metadata.Judge(answer, options.Sets);
        row[at++] = verdict.Abstains;
        row[at++] = verdict.Set is { } set ? string.Join('|', set.Select(c => metadata.Labels[c])) : null;
        row[at++] = verdict.IsUnknown;
        row[at++] = verdict.Unknown;
        return at;
    }

    private object?[] Begun(ScoreInput input)
    {
        var row = new object?[Columns.Count];
        row[0] = input.Key;
        for (int i = 0; i < passed; i++)
            row[1 + i] = input.Values[i];
        foreach ((int column, string digest) in digests)
            row[column] = digest;
        return row;
    }

    /// <summary>The likeliest classes, falling; of equal ones the lower index first.</summary>
    private int[] Likeliest(ReadOnlySpan<float> probabilities)
    {
        if (options.Top == 1)
            return [TensorPrimitives.IndexOfMax(probabilities)];
        float[] all = probabilities.ToArray();
        return [.. Enumerable.Range(0, all.Length).OrderByDescending(c => all[c]).ThenBy(c => c).Take(options.Top)];
    }

    private string Prefix(int number) => number == 0 ? "" : options.AlsoModels[number - 1].Name + "_";

    private IEnumerable<ScoreColumn> Own(ModelMetadata metadata, string prefix)
    {
        for (int i = 1; i <= Math.Min(options.Top, metadata.Labels.Count); i++)
        {
            string number = i == 1 ? "" : FormattableString.Invariant($"_{i}");
            yield return new ScoreColumn($"{prefix}prediction{number}", ColumnType.Text);
            yield return new ScoreColumn($"{prefix}probability{number}", ColumnType.Number);
        }

        if (options.Probabilities)
            foreach (string name in metadata.Labels)
                yield return new ScoreColumn($"{prefix}p_{name}", ColumnType.Number);
        yield return new ScoreColumn($"{prefix}abstained", ColumnType.Flag);
        yield return new ScoreColumn($"{prefix}set", ColumnType.Text);
        yield return new ScoreColumn($"{prefix}unknown", ColumnType.Flag);
        yield return new ScoreColumn($"{prefix}unknown_score", ColumnType.Number);
        if (prefix.Length > 0)
            yield return new ScoreColumn($"{prefix}model", ColumnType.Text);
    }
}

/// <summary>An input of a batch.</summary>
/// <param name="Key">How it is called: its path below the folder, as the list has it, or the key of a query.</param>
/// <param name="Location">Where its bytes are; null where <see cref="Fault"/> says why it has none.</param>
/// <param name="Values">What the input's columns have for it.</param>
internal sealed record ScoreInput(string Key, ItemLocation? Location, IReadOnlyList<string?> Values)
{
    /// <summary>Why it cannot be scored; null where that is not known yet.</summary>
    public string? Fault { get; init; }

    /// <summary>Where it is on the web, before it is fetched; null where it is elsewhere.</summary>
    public Uri? Address { get; init; }

    /// <summary>Opens it, before it is fetched, where it is in object storage; null where it is elsewhere.</summary>
    public Func<CancellationToken, Task<Stream>>? Open { get; init; }

    /// <summary>Whether it has to be fetched before it can be scored.</summary>
    public bool IsRemote => Address is not null || Open is not null;

    /// <summary>What it takes in memory already, about; 0 where that is next to nothing.</summary>
    public long Bytes { get; init; }

    /// <summary>Its values by column, where it is a row of ML.NET's; null where it is an image.</summary>
    public object?[]? Row { get; init; }
}
