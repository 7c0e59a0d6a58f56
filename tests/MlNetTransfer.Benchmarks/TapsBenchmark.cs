using System.Diagnostics;
using MlNetTransfer.Backbones;
using MlNetTransfer.Datasets;
using MlNetTransfer.Evaluation;
using MlNetTransfer.Features;
using MlNetTransfer.Heads;

namespace MlNetTransfer.Benchmarks;

/// <summary>Several taps together beside each alone: five-fold accuracy, three divisions into folds.</summary>
internal static class TapsBenchmark
{
    private const int Folds = 5,
        Seeds = 3;

    public static int Run(string[] args)
    {
        ImageDataset data = OpenClipart.Read();
        Backbone backbone = new BackboneStore(BackboneCatalog.Default).Open(
            args.Length > 0 ? args[0] : "mobilenet_v2_140"
        );
        string[] names = [.. backbone.Card.Taps.Select(tap => tap.Name)];
        FeatureTable[] tables = [.. names.Select(name => OpenClipart.Features(data, backbone, name))];
        Console.WriteLine(
            $"{backbone.Card.Id}: {tables[0].Rows} images, {Folds} folds, {Seeds} seeds; accuracy in % ± standard "
                + $"deviation over the seeds, log-loss in nats, seconds per fit"
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
        foreach (Compared<double> trial in head.Trials)
            Console.WriteLine(
                string.Create(
                    System.Globalization.CultureInfo.InvariantCulture,
                    $"  share {trial.Choice:f2}: held-out log-loss {trial.LogLoss:f4} ± {trial.StandardError:f4}, "
                        + $"accuracy {trial.Accuracy:f3}"
                )
            );
        Console.WriteLine($"  kept: {string.Join(", ", names.Zip(head.KeptPerTap, (name, kept) => $"{name} {kept}"))}");
        return 0;
    }

    private static LinearDiscriminantTrainer Discriminant() =>
        new(new LinearDiscriminantTrainerOptions { Shrinkage = 0.7 });

    private static void Report(string name, FeatureTable table, Func<int, IHeadTrainer> trainer)
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
        double mean = 100 * reports.Average(r => r.Accuracy),
            deviation = Math.Sqrt(reports.Sum(r => Math.Pow(100 * r.Accuracy - mean, 2)) / (Seeds - 1));
        Console.WriteLine(
            string.Create(
                System.Globalization.CultureInfo.InvariantCulture,
                $"{name, -44} {table.Width, 5} features   {mean:f2} ± {deviation:f2} %   "
                    + $"{reports.Average(r => r.LogLoss):f3}   "
                    + $"{Stopwatch.GetElapsedTime(started).TotalSeconds / Seeds / Folds:f2} s"
            )
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
