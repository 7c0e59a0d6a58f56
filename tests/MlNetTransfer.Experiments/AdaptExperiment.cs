using MlNetTransfer.Adaptation;
using MlNetTransfer.Backbones;
using MlNetTransfer.Datasets;
using MlNetTransfer.Evaluation;
using MlNetTransfer.Features;
using MlNetTransfer.Training;

namespace MlNetTransfer.Experiments;

/// <summary>
/// Emoji in one style as the source, other emoji in another style as the target: every alignment, the choice among them
/// without labels, and heads trained on labels of the target.
/// </summary>
internal static class AdaptExperiment
{
    private const string Repeats = "repeats=";
    private static readonly string[] Scenarios = ["all", "same", "shift", "partial"];

    public static int Run(string[] args, Experiment experiment)
    {
        int repeats = int.Parse(
            args.FirstOrDefault(a => a.StartsWith(Repeats, StringComparison.Ordinal))?[Repeats.Length..] ?? "1",
            System.Globalization.CultureInfo.InvariantCulture
        );
        string[] scenarios = [.. args.Intersect(Scenarios)],
            ids = [.. args.Except(Scenarios).Where(a => !a.StartsWith(Repeats, StringComparison.Ordinal))];
        Backbone backbone = new BackboneStore(BackboneCatalog.Default).Open(
            ids.Length > 0 ? ids[0] : BackboneCatalog.DefaultId
        );
        using var extractor = new FeatureExtractor(backbone, [.. backbone.Card.Taps.Select(tap => tap.Name)]);
        Dictionary<string, Style> styles = EmojiStyles
            .Read()
            .ToDictionary(style => style.Key, style => Style.Of(style.Value, extractor));
        foreach (string scenario in scenarios.Length > 0 ? scenarios : ["all"])
            Compare(scenario, styles, repeats, backbone, extractor.Groups, experiment);
        return 0;
    }

    private static void Compare(
        string scenario,
        Dictionary<string, Style> styles,
        int repeats,
        Backbone backbone,
        TapGroups groups,
        Experiment experiment
    )
    {
        (string From, string To)[] pairs =
        [
            .. styles
                .Keys.SelectMany(from => styles.Keys.Select(to => (from, to)))
                .Where(pair => pair.from == pair.to == (scenario == "same")),
        ];
        Table table = experiment.Table(
            $"{backbone.Card.Id}, {scenario}: accuracy on the target by the head of 'train', mean of {repeats} halves; "
                + "labelled: trained on as many labelled images of the target's style",
            [
                Column.Text("pair", 20),
                Column.Percent("labelled"),
                .. AlignmentMethod.All.Select(method => Column.Percent(method.Label)),
                Column.Percent("chosen"),
                Column.Percent("gain"),
                Column.Text("methods chosen", 40),
            ]
        );
        var results = new List<Result>();
        foreach ((string from, string to) in pairs)
        {
            Result[] found =
            [
                .. Enumerable
                    .Range(0, repeats)
                    .Select(repeat => Try(styles[from], styles[to], scenario, repeat, backbone, groups)),
            ];
            results.AddRange(found);
            Row(table, $"{from} to {to}", found);
        }

        Row(table, "mean", results);
        double[] gains = [.. results.Select(r => r.Chosen - r.Accuracy[0])],
            regrets = [.. results.Select(r => r.Accuracy.Max() - r.Chosen)];
        int kept = results.Count(r => r.Taken == 0);
        experiment.Note(
            FormattableString.Invariant($"{scenario}: the choice gains {100 * gains.Average():f1} points, ")
                + FormattableString.Invariant($"the worst pair and half {100 * gains.Min():f1}; ")
                + FormattableString.Invariant($"{gains.Count(g => g < 0)} of {gains.Length} lose. ")
                + FormattableString.Invariant($"Regret {100 * regrets.Average():f1}. The guard kept the source ")
                + FormattableString.Invariant($"{kept} times, in ")
                + $"{results.Count(r => r.Taken == 0 && r.Accuracy.Max() == r.Accuracy[0])} of which nothing was better."
        );
    }

    private static void Row(Table table, string name, IReadOnlyList<Result> results) =>
        table.Add([
            name,
            Figure.OfDraws([.. results.Select(r => r.Labelled)]),
            .. AlignmentMethod.All.Select((_, i) => (object?)Figure.OfDraws([.. results.Select(r => r.Accuracy[i])])),
            Figure.OfDraws([.. results.Select(r => r.Chosen)]),
            Figure.OfDraws([.. results.Select(r => r.Chosen - r.Accuracy[0])]),
            string.Join(
                ", ",
                results
                    .GroupBy(r => r.Taken)
                    .OrderByDescending(g => g.Count())
                    .Select(g => $"{AlignmentMethod.All[g.Key].Label} {g.Count()}")
            ),
        ]);

    private static Result Try(Style from, Style to, string scenario, int repeat, Backbone backbone, TapGroups groups)
    {
        (int[] a, int[] b) = Halves(from.Table, scenario, repeat);
        FeatureTable source = from.Table.Select(a),
            target = to.Table.Select(b);
        var domains = new TwoDomains(
            source,
            target,
            [.. Enumerable.Range(0, source.Rows)],
            from.DigestsOf(a),
            to.DigestsOf(b),
            groups,
            HeadFitter.LastTaps(groups)
        );
        var options = new AlignmentOptions { Groups = groups, Seed = repeat };
        IReadOnlyList<AlignmentTrial> trials = new AlignmentTrials(domains, options).Run(
            AlignmentMethod.All,
            null,
            null,
            CancellationToken.None
        );
        double[] accuracies =
        [
            .. AlignmentMethod.All.Select(method => Accuracy(method.Align(source, target, options), target)),
        ];
        int taken = trials.ToList().FindIndex(trial => trial.Taken);
        return new Result(Accuracy(to.Table.Select(a), target), accuracies, taken);

        double Accuracy(FeatureTable train, FeatureTable test) =>
            ClassificationReport
                .Of(
                    test.ClassNames,
                    test.Labels,
                    new HeadFitter(new HeadRecipeOptions { Seed = repeat }, groups, backbone.DefaultTaps())
                        .Fit(train, null, CancellationToken.None)
                        .Predict(test)
                )
                .Accuracy;
    }

    /// <summary>Half of the emoji of every class, and the others, of which a scenario leaves some out.</summary>
    private static (int[] Source, int[] Target) Halves(FeatureTable table, string scenario, int repeat)
    {
        double[] kept = [1, 1, 0.5, 0.25, 0.12];
        var rng = new Rng(repeat);
        int[] classes = [.. Enumerable.Range(0, table.Classes)];
        rng.Shuffle<int>(classes);
        List<int> source = [],
            target = [];
        for (int place = 0; place < classes.Length; place++)
        {
            int[] rows = [.. Enumerable.Range(0, table.Rows).Where(row => table.Labels[row] == classes[place])];
            rng.Shuffle<int>(rows);
            int half = rows.Length / 2,
                rest = rows.Length - half;
            source.AddRange(rows[..half]);
            int count = scenario switch
            {
                "partial" => place < table.Classes / 3 ? rest : 0,
                "shift" => Math.Max(1, (int)(rest * kept[place % kept.Length])),
                _ => rest,
            };
            target.AddRange(rows[half..(half + count)]);
        }

        source.Sort();
        target.Sort();
        return ([.. source], [.. target]);
    }

    private sealed record Result(double Labelled, double[] Accuracy, int Taken)
    {
        public double Chosen => Accuracy[Taken];
    }

    private sealed record Style(FeatureTable Table, byte[] Digests)
    {
        public static Style Of(Dataset data, FeatureExtractor extractor)
        {
            ItemRows rows = extractor.Extract(data.Items, CacheFolder.For("features"));
            return new Style(
                new FeatureTable(
                    data.ClassNames,
                    [.. rows.Accepted.Select(i => data.Items[i].Label)],
                    rows.Values,
                    rows.Width
                ),
                rows.Digests
            );
        }

        public byte[] DigestsOf(int[] rows) => [.. rows.SelectMany(row => Digests[(32 * row)..(32 * row + 32)])];
    }
}
