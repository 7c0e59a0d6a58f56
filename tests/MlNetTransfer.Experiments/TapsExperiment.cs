using System.Diagnostics;
using MlNetTransfer.Backbones;
using MlNetTransfer.Datasets;
using MlNetTransfer.Evaluation;
using MlNetTransfer.Features;
using MlNetTransfer.Heads;
using MlNetTransfer.Tests.Shared;

namespace MlNetTransfer.Experiments;

/// <summary>Several taps together beside each alone: five-fold accuracy, three divisions into folds.</summary>
internal static class TapsExperiment
{
    private const int Folds = 5,
        Seeds = 3;

    public static int Run(string[] args, Experiment experiment)
    {
        Dataset data = OpenClipart.Read();
        Backbone backbone = new BackboneStore(BackboneCatalog.Default).Open(
            args.Length > 0 ? args[0] : BackboneCatalog.DefaultId
        );
        string[] names = [.. backbone.Card.Taps.Select(tap => tap.Name)];
        FeatureTable[] tables = [.. names.Select(name => OpenClipart.Features(data, backbone, name))];
        Table accuracies = experiment.Table(
            $"{backbone.Card.Id}: {tables[0].Rows} images, {Folds} folds, {Seeds} seeds; accuracy ± standard "
                + $"deviation over the seeds, log-loss in nats, seconds per fit",
            Column.Text("head", 46),
            Column.Number("features"),
            Column.Percent("accuracy", format: "0.00"),
            Column.Number("logLoss", "0.000"),
            Column.Number("seconds", "0.00")
        );
        for (int i = 0; i < names.Length; i++)
        {
            Report(names[i] + ", softmax", tables[i], _ => new SoftmaxTrainer());
            Report(names[i] + ", ridge", tables[i], _ => new RidgeTrainer());
            Report(
                names[i] + ", discriminant",
                tables[i],
                seed => new CalibratedTrainer(Discriminant(), new CalibratedTrainerOptions { Seed = seed })
            );
        }

        FeatureTable all = Together(tables);
        var groups = new TapGroups(names, [.. tables.Select(table => table.Width)]);
        Report("all, softmax", all, _ => new SoftmaxTrainer());
        Report("all, ridge", all, _ => new RidgeTrainer());
        Report(
            "all, taps standardised, discriminant",
            all,
            seed => new MultiTapTrainer(
                groups,
                new MultiTapTrainerOptions { Fraction = 1, Seed = seed },
                Discriminant()
            )
        );
        Report(
            "all, selection, discriminant",
            all,
            seed => new MultiTapTrainer(groups, new MultiTapTrainerOptions { Seed = seed }, Discriminant())
        );
        Report(
            "all, taps standardised, ridge",
            all,
            seed => new MultiTapTrainer(
                groups,
                new MultiTapTrainerOptions { Fraction = 1, Seed = seed },
                new RidgeTrainer()
            )
        );
        Report(
            "all, selection, ridge",
            all,
            seed => new MultiTapTrainer(groups, new MultiTapTrainerOptions { Seed = seed }, new RidgeTrainer())
        );
        MultiTapHead head = new MultiTapTrainer(groups).Fit(all);
        Table trials = experiment.Table(
            "Shares of the features tried, all taps together",
            Column.Number("share", "0.00"),
            Column.Number("heldOutLogLoss", "0.0000", 17),
            Column.Percent("accuracy")
        );
        foreach (Compared<double> trial in head.Trials)
            trials.Add(trial.Choice, new Figure(trial.LogLoss) { StandardError = trial.StandardError }, trial.Accuracy);
        experiment.Note($"Kept: {string.Join(", ", names.Zip(head.KeptPerTap, (name, kept) => $"{name} {kept}"))}");
        return 0;

        void Report(string name, FeatureTable table, Func<int, IHeadTrainer> trainer) =>
            Add(accuracies, name, table, trainer);
    }

    private static LinearDiscriminantTrainer Discriminant() =>
        new(new LinearDiscriminantTrainerOptions { Shrinkage = 0.7 });

    private static void Add(Table accuracies, string name, FeatureTable table, Func<int, IHeadTrainer> trainer)
    {
        long started = Stopwatch.GetTimestamp();
        ClassificationReport[] reports =
        [
            .. Enumerable
                .Range(0, Seeds)
                .Select(seed =>
                {
                    OutOfFoldPredictions held = CrossValidation.OutOfFold(
                        trainer(seed),
                        table,
                        CrossValidation.Folds(table.Labels, Folds, seed + 1)
                    );
                    return ClassificationReport.Of(table.ClassNames, [.. held.Labels], held.Probabilities());
                }),
        ];
        accuracies.Add(
            name,
            table.Width,
            Figure.OfSample([.. reports.Select(r => r.Accuracy)]),
            reports.Average(r => r.LogLoss),
            Stopwatch.GetElapsedTime(started).TotalSeconds / Seeds / Folds
        );
    }

    private static FeatureTable Together(FeatureTable[] tables)
    {
        float[] values =
        [
            .. Enumerable
                .Range(0, tables[0].Rows)
                .SelectMany(row => tables.SelectMany(table => table.Row(row).ToArray())),
        ];
        return new FeatureTable(tables[0].ClassNames, tables[0].Labels, values, tables.Sum(table => table.Width));
    }
}
