using System.Numerics.Tensors;
using MlNetTransfer.Datasets;
using MlNetTransfer.Models;
using MlNetTransfer.Selective;

namespace MlNetTransfer.Scoring;

/// <summary>The type of a column.</summary>
internal enum ColumnType
{
    Text,
    Number,
    Flag,
}

/// <summary>A column of the output.</summary>
/// <param name="Name">Its name.</param>
/// <param name="Type">Its type; any value may be missing.</param>
internal sealed record ScoreColumn(string Name, ColumnType Type);

/// <summary>
/// The rows of a batch: file, the columns that the input brought along, prediction, probability, the next classes,
/// p_CLASS where asked for, abstained, set, unknown, unknown_score, error, model (the first half of its digest).
/// </summary>
internal sealed class ScoreRows
{
    private const int DigestDigits = 16;
    private readonly TransferModel model;
    private readonly string digest;
    private readonly ScoreOptions options;
    private readonly int passed,
        top;

    /// <param name="model">The model.</param>
    /// <param name="digest">SHA-256 of its file.</param>
    /// <param name="passed">Names of the columns that the input brings along.</param>
    /// <param name="options">What is asked for.</param>
    public ScoreRows(TransferModel model, string digest, IReadOnlyList<string> passed, ScoreOptions options)
    {
        (this.model, this.digest, this.options, this.passed) = (model, digest[..DigestDigits], options, passed.Count);
        top = Math.Min(options.Top, model.ClassNames.Count);
        List<ScoreColumn> own = [.. Own()];
        HashSet<string> taken = [.. own.Select(column => column.Name)];
        Columns =
        [
            own[0],
            .. passed.Select(name => new ScoreColumn(Free(name, taken), ColumnType.Text)),
            .. own.Skip(1),
        ];
    }

    /// <summary>The columns.</summary>
    public IReadOnlyList<ScoreColumn> Columns { get; }

    /// <summary>The row of an input that was scored.</summary>
    /// <param name="input">The input.</param>
    /// <param name="answer">A row of <see cref="TransferModel.Answers"/>.</param>
    public object?[] Scored(ScoreInput input, ReadOnlySpan<float> answer)
    {
        object?[] row = Begun(input);
        int at = 1 + passed;
        ReadOnlySpan<float> probabilities = answer[..model.ClassNames.Count];
        foreach (int label in Likeliest(probabilities))
        {
            row[at++] = model.ClassNames[label];
            row[at++] = probabilities[label];
        }

        if (options.Probabilities)
            foreach (float probability in probabilities)
                row[at++] = probability;
        ReliabilityVerdict verdict = model.Judge(answer, options.Sets);
        row[at++] = verdict.Abstains;
        row[at++] = verdict.Set is { } set ? string.Join('|', set.Select(c => model.ClassNames[c])) : null;
        row[at++] = verdict.IsUnknown;
        row[at] = verdict.Unknown;
        return row;
    }

    /// <summary>The row of an input that cannot be scored.</summary>
    public object?[] Rejected(ScoreInput input, string reason)
    {
        object?[] row = Begun(input);
        Error(row) = reason;
        return row;
    }

    /// <summary>Whether a row is that of an input that cannot be scored.</summary>
    public static bool IsRejected(object?[] row) => Error(row) is not null;

    private static ref object? Error(object?[] row) => ref row[^2];

    private object?[] Begun(ScoreInput input)
    {
        var row = new object?[Columns.Count];
        row[0] = input.Key;
        for (int i = 0; i < passed; i++)
            row[1 + i] = input.Values[i];
        row[^1] = digest;
        return row;
    }

    /// <summary>The likeliest classes, falling; of equal ones the lower index first.</summary>
    private int[] Likeliest(ReadOnlySpan<float> probabilities)
    {
        if (top == 1)
            return [TensorPrimitives.IndexOfMax(probabilities)];
        float[] all = probabilities.ToArray();
        return [.. Enumerable.Range(0, all.Length).OrderByDescending(c => all[c]).ThenBy(c => c).Take(top)];
    }

    private IEnumerable<ScoreColumn> Own()
    {
        yield return new ScoreColumn("file", ColumnType.Text);
        for (int i = 1; i <= top; i++)
        {
            string number = i == 1 ? "" : FormattableString.Invariant($"_{i}");
            yield return new ScoreColumn($"prediction{number}", ColumnType.Text);
            yield return new ScoreColumn($"probability{number}", ColumnType.Number);
        }

        if (options.Probabilities)
            foreach (string name in model.ClassNames)
                yield return new ScoreColumn($"p_{name}", ColumnType.Number);
        yield return new ScoreColumn("abstained", ColumnType.Flag);
        yield return new ScoreColumn("set", ColumnType.Text);
        yield return new ScoreColumn("unknown", ColumnType.Flag);
        yield return new ScoreColumn("unknown_score", ColumnType.Number);
        yield return new ScoreColumn("error", ColumnType.Text);
        yield return new ScoreColumn("model", ColumnType.Text);
    }

    private static string Free(string name, HashSet<string> taken)
    {
        while (!taken.Add(name))
            name = "input_" + name;
        return name;
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
}
