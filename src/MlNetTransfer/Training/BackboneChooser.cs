using System.Globalization;
using System.Text;
using MlNetTransfer.Backbones;
using MlNetTransfer.Evaluation;
using MlNetTransfer.Features;
using MlNetTransfer.Heads;

namespace MlNetTransfer.Training;

/// <summary>What a choice of backbones may cost. Immutable.</summary>
internal sealed record BackboneChoice
{
    /// <summary>Milliseconds per image at most, above 0; null: any.</summary>
    public double? MostMilliseconds { get; init; }

    /// <summary>Whether some networks together are within the budget.</summary>
    public bool Allows(IEnumerable<NetworkCost> networks) =>
        MostMilliseconds is not { } most || networks.Sum(n => n.Milliseconds) <= most;

    /// <summary>What the choice depends on besides the rows, e.g. which networks are within the budget.</summary>
    public byte[] Digest(IReadOnlyList<NetworkCost> costs) =>
        Encoding.UTF8.GetBytes(
            string.Create(CultureInfo.InvariantCulture, $"auto {MostMilliseconds} ")
                + string.Join(' ', costs.Where(c => Allows([c])).Select(c => c.Network))
        );
}

/// <summary>Chooses one network or two side by side, on training rows only, and fits the head on them.</summary>
/// <remarks>
/// <para>Every network alone, and every pair of the best three (of mirrored and of plain networks apart: no network is
/// paired with itself), is cross-validated on the same folds with the same
/// heads: a discriminant on the default tap of each network and, where that head may be taken, a kernel on the last
/// three taps of each; or the kind of head that was asked for. A backbone counts as the better of its heads does. Best
/// is the lowest log-loss at its best temperature; taken is the cheapest, by multiply-adds, that is behind the best by
/// no more than one standard error of the difference, row by row. Multiply-adds and not milliseconds, so that the same
/// images and options choose the same; milliseconds decide only what a budget lets in.</para>
/// <para>Where there are fewer than three rows per class to hold out, a comparison would be noise: the first network
/// within the budget is taken.</para>
/// </remarks>
/// <param name="choice">What the choice may cost.</param>
/// <param name="options">How the head is fitted.</param>
/// <param name="groups">The taps of all networks.</param>
/// <param name="costs">What each network costs.</param>
/// <param name="defaultTaps">The default tap of each network.</param>
internal sealed class BackboneChooser(
    BackboneChoice choice,
    HeadRecipeOptions options,
    TapGroups groups,
    IReadOnlyList<NetworkCost> costs,
    IReadOnlyList<string> defaultTaps
)
{
    private const int Folds = 5,
        LeastPerClass = 3,
        Paired = 3;

    /// <summary>
    /// Rows that are compared on, about: a kernel head's fit takes time with their cube, and there are dozens of fits.
    /// </summary>
    internal const int ComparedRows = 1000;

    private readonly IReadOnlyList<string> names =
    [
        .. groups.DistinctNetworks.Where(n => choice.Allows(costs.Where(c => c.Network == n))),
    ];

    /// <summary>Chooses and fits.</summary>
    /// <param name="train">Training rows with the features of all taps of all networks.</param>
    /// <param name="board">Whether the whole leaderboard is wanted, or only what decides.</param>
    /// <param name="progress">Told how far each stage is.</param>
    /// <param name="cancellation">Honoured within one pass over the rows.</param>
    public FittedHead Fit(
        FeatureTable train,
        bool board,
        IProgress<FitProgress>? progress,
        CancellationToken cancellation
    )
    {
        List<Judged> judged = Judge(train, progress, cancellation);
        IReadOnlyList<string> taken = judged.Count == 0 ? [names[0]] : Taken(judged).Entry.Networks;
        LeaderboardRow[] rows =
            board && judged.Count > 0 ? Board(train, judged, Taken(judged), progress, cancellation) : [];
        int[] taps = groups.TapsOf([.. taken]);
        FittedHead fitted = new HeadFitter(options, groups.Only(taps), defaultTaps).Fit(
            groups.Columns(train, taps),
            progress,
            cancellation
        );
        return fitted with { Taps = [.. fitted.Taps.Select(tap => taps[tap])], Groups = groups, Leaderboard = rows };
    }

    /// <summary>The leaderboard alone; empty where there are too few rows.</summary>
    public IReadOnlyList<LeaderboardRow> Compare(
        FeatureTable train,
        IProgress<FitProgress>? progress,
        CancellationToken cancellation
    )
    {
        List<Judged> judged = Judge(train, progress, cancellation);
        return judged.Count == 0 ? [] : Board(train, judged, Taken(judged), progress, cancellation);
    }

    private HeadKind[] Yardsticks(int rows) =>
        options.Head != HeadKind.Auto ? [options.Head]
        : rows > HeadKind.Kernel.Chosen!.Value.To ? [HeadKind.Discriminant]
        : [HeadKind.Discriminant, HeadKind.Kernel];

    /// <summary>What decides: every network, then pairs of the best.</summary>
    private List<Judged> Judge(FeatureTable train, IProgress<FitProgress>? progress, CancellationToken cancellation)
    {
        if (Rows(train) is not { } rows)
            return [];
        HeadKind[] kinds = Yardsticks(train.Rows);
        List<Judged> judged = [];
        Add([.. names.Select(name => (string[])[name])]);
        string[][] best =
        [
            .. judged
                .OrderBy(j => j.Score.LogLoss)
                .Select(j => j.Entry.Networks[0])
                .Distinct()
                .GroupBy(MirroredNetwork.IsNameOfOne)
                .Select(way => (string[])[.. way.Take(Paired).OrderBy(Place)])
                .OrderBy(way => Place(way[0])),
        ];
        Add([
            .. best.SelectMany(way =>
                    way.SelectMany((first, i) => way.Skip(i + 1).Select(second => (string[])[first, second]))
                )
                .Where(pair => choice.Allows(CostsOf(pair))),
        ]);
        return judged;

        void Add(string[][] candidates)
        {
            int before = judged.Count;
            foreach (string[] networks in candidates)
            foreach (HeadKind kind in kinds)
            {
                progress?.Report(
                    new FitProgress("Comparing backbones", judged.Count, before + candidates.Length * kinds.Length)
                );
                judged.Add(Judge(new Entry(networks, TapsFor(kind, networks), kind), rows, cancellation));
            }
        }
    }

    private Judged Taken(IReadOnlyList<Judged> judged)
    {
        Judged best = judged.MinBy(j => j.Score.LogLoss)!;
        return judged
            .Where(j => j.IsWithinOneError(best))
            .OrderBy(j => CostsOf(j.Entry.Networks).Sum(c => (double)(c.MultiplyAdds ?? long.MaxValue)))
            .ThenBy(j => CostsOf(j.Entry.Networks).Sum(c => c.Bytes))
            .ThenBy(j => j.Score.LogLoss)
            .First();
    }

    /// <summary>What decided, and beside it other heads and each lower tap of each network.</summary>
    private LeaderboardRow[] Board(
        FeatureTable train,
        List<Judged> judged,
        Judged taken,
        IProgress<FitProgress>? progress,
        CancellationToken cancellation
    )
    {
        (FeatureTable Table, int[] Fold) rows = Rows(train)!.Value;
        HeadKind[] kinds = options.Head == HeadKind.Auto ? [HeadKind.Discriminant, HeadKind.Ridge] : [options.Head];
        Entry[] others =
        [
            .. judged.SelectMany(j =>
                kinds.Select(kind => j.Entry with { Taps = Defaults(j.Entry.Networks), Head = kind })
            ),
            .. names.SelectMany(name => groups.TapsOf([name]).Select(tap => new Entry([name], [tap], kinds[0]))),
        ];
        List<Judged> all = [.. judged];
        foreach (Entry entry in others)
        {
            progress?.Report(new FitProgress("Leaderboard", all.Count, judged.Count + others.Length));
            if (!all.Exists(j => j.Entry.IsSame(entry)))
                all.Add(Judge(entry, rows, cancellation));
        }

        Judged best = all.OrderByDescending(j => j.Score.Accuracy).ThenBy(j => j.Score.LogLoss).First();
        return
        [
            .. all.OrderByDescending(j => j.Score.Accuracy)
                .ThenBy(j => j.Score.LogLoss)
                .Select(j =>
                {
                    var difference = PairedDifference.Of(best.Right, j.Right);
                    Interval interval = difference.Interval();
                    NetworkCost[] cost = CostsOf(j.Entry.Networks);
                    return new LeaderboardRow(
                        string.Join(SideBySide.Plus, j.Entry.Networks),
                        [.. j.Entry.Taps.Select(tap => NameOf(j.Entry, tap))],
                        j.Entry.Head.Label,
                        j.Score.Accuracy,
                        j.Score.LogLoss,
                        j.Score.StandardError,
                        difference.Value,
                        j == best ? [0, 0] : [interval.Low, interval.High],
                        cost.Sum(c => c.Milliseconds),
                        cost.Sum(c => c.Bytes) / 1e6,
                        j == taken
                    );
                }),
        ];
    }

    /// <summary>Rows to compare on and their folds; null where they are too few.</summary>
    private (FeatureTable Table, int[] Fold)? Rows(FeatureTable train)
    {
        FeatureTable table = StratifiedSample.Of(train, ComparedRows, options.Seed);
        int[] fold = CrossValidation.Folds(table.Labels, Folds, options.Seed, table.ClassNames);
        return fold.Count(f => f != CrossValidation.NeverHeldOut) < LeastPerClass * table.Classes
            ? null
            : (table, fold);
    }

    private Judged Judge(Entry entry, (FeatureTable Table, int[] Fold) rows, CancellationToken cancellation)
    {
        OutOfFoldPredictions found = CrossValidation.OutOfFold(
            entry.Head.Trainer(options),
            groups.Columns(rows.Table, entry.Taps),
            rows.Fold,
            1,
            null,
            cancellation
        );
        double[]? weight = ClassWeighting.Of(rows.Table, options.ClassWeights);
        HeldOutLogits logits = found.Judged(weight);
        double scale = 1 / TemperatureCalibration.Fit(found, weight).Temperature;
        return new Judged(
            entry,
            logits,
            logits.Judge(scale),
            logits.Losses(scale),
            JudgedRows.Right(found.Labels, found.Logits, found.Classes)
        );
    }

    private int[] TapsFor(HeadKind kind, IReadOnlyList<string> networks)
    {
        if (kind != HeadKind.Kernel)
            return Defaults(networks);
        int[] taps = groups.TapsOf([.. networks]);
        return [.. HeadFitter.LastTaps(groups.Only(taps)).Select(tap => taps[tap])];
    }

    private int[] Defaults(IReadOnlyList<string> networks) =>
        [.. groups.TapsOf([.. networks]).Where(tap => defaultTaps.Contains(groups.Names[tap]))];

    private NetworkCost[] CostsOf(IReadOnlyList<string> networks) =>
        [.. costs.Where(c => networks.Contains(c.Network))];

    /// <summary>A tap as the backbone calls it: a network alone leaves its own name out.</summary>
    private string NameOf(Entry entry, int tap)
    {
        string name = groups.Names[tap],
            own = SideBySide.Named(entry.Networks[0], "");
        return entry.Networks.Count == 1 && name.StartsWith(own, StringComparison.Ordinal) ? name[own.Length..] : name;
    }

    private int Place(string network) => groups.DistinctNetworks.ToList().IndexOf(network);

    /// <summary>Networks, taps and a head.</summary>
    private sealed record Entry(IReadOnlyList<string> Networks, int[] Taps, HeadKind Head)
    {
        public bool IsSame(Entry other) => Head == other.Head && Taps.SequenceEqual(other.Taps);
    }

    /// <summary>What was found for them: over all rows held out, and row by row.</summary>
    private sealed record Judged(Entry Entry, HeldOutLogits Rows, HeldOut Score, double[] Losses, bool[] Right)
    {
        // The same kernel of the same features twice over differs by as much, in float32.
        private const double Rounding = 1e-5;

        public bool IsWithinOneError(Judged best)
        {
            (double mean, double error) = Rows.Behind(Losses, best.Losses);
            return mean <= error + Rounding;
        }
    }
}
