using System.Diagnostics;
using System.Globalization;
using System.Runtime.InteropServices;
using MlNetTransfer.Benchmarks.Measuring;
using MlNetTransfer.Benchmarks.Setup;
using MlNetTransfer.Evaluation;
using MlNetTransfer.Features;
using MlNetTransfer.Heads;
using MlNetTransfer.Tests.Shared;

namespace MlNetTransfer.Benchmarks.Rivals;

/// <summary>
/// The softmax head with default settings, the choice of its penalty included, beside one fit of scikit-learn's
/// LogisticRegression at its defaults.
/// </summary>
internal static class SklearnHead
{
    private const int Repeats = 7,
        TestRows = 1000;

    private const string Script = """
        import sys, time, numpy as np
        from sklearn.linear_model import LogisticRegression
        folder, rows, width, repeats = sys.argv[1], int(sys.argv[2]), int(sys.argv[3]), int(sys.argv[4])
        read = lambda name, kind: np.fromfile(folder + "/" + name, dtype=kind)
        X, T = read("train.f32", np.float32).reshape(rows, width), read("test.f32", np.float32).reshape(-1, width)
        y, t = read("train.i32", np.int32), read("test.i32", np.int32)
        seconds = []
        for _ in range(repeats):
            start = time.perf_counter()
            model = LogisticRegression().fit(X, y)
            seconds.append(time.perf_counter() - start)
        print(seconds[0], sorted(seconds)[repeats // 2], model.score(T, t))
        """;

    public static int Run(string[] args)
    {
        int[] sizes =
        [
            .. args.Select(arg =>
                int.TryParse(arg, CultureInfo.InvariantCulture, out int n)
                    ? n
                    : throw new UsageException($"head takes numbers: rows, width, classes; '{arg}' is none.")
            ),
            .. new[] { 2000, 1280, 10 }.Skip(args.Length),
        ];
        (int rows, int width, int classes) = (sizes[0], sizes[1], sizes[2]);
        RandomRows source = new(width, classes);
        FeatureTable train = source.Draw(rows),
            test = source.Draw(TestRows);

        var seconds = new double[Repeats];
        SoftmaxHead? head = null;
        for (int i = 0; i < Repeats; i++)
        {
            long start = Stopwatch.GetTimestamp();
            head = new SoftmaxTrainer().Fit(train);
            seconds[i] = Stopwatch.GetElapsedTime(start).TotalSeconds;
        }

        double first = seconds[0],
            median = seconds.Order().ElementAt(Repeats / 2);
        double accuracy = ClassificationReport.Of(test.ClassNames, test.Labels, head!.Predict(test)).Accuracy;
        foreach (Compared<double> trial in head.Report.L2Path)
            Console.WriteLine(
                string.Create(
                    System.Globalization.CultureInfo.InvariantCulture,
                    $"  L2 {trial.Choice:g3}: scale {trial.Score.LogitScale:f2}, held-out log-loss {trial.LogLoss:f4} ± "
                        + $"{trial.StandardError:f4}, accuracy {trial.Accuracy:f3}"
                )
            );
        Console.WriteLine(
            FormattableString.Invariant($"{rows} x {width}, {classes} classes, {Environment.ProcessorCount} cores")
        );
        Console.WriteLine(
            string.Create(
                System.Globalization.CultureInfo.InvariantCulture,
                $"MlNetTransfer  first {first:f3} s, median {median:f3} s, accuracy {accuracy:f3} (L2 "
                    + $"{head.Report.L2:g3} chosen, {head.Report.Iterations} last iterations)"
            )
        );
        foreach (
            (string name, IHeadTrainer trainer) in new (string, IHeadTrainer)[]
            {
                ("ridge", new RidgeTrainer()),
                (
                    "discriminant 0.7",
                    new LinearDiscriminantTrainer(new LinearDiscriminantTrainerOptions { Shrinkage = 0.7 })
                ),
                ("perceptron", new MlpTrainer()),
                ("auto", new AutoHeadTrainer()),
            }
        )
        {
            long start = Stopwatch.GetTimestamp();
            IHead other = trainer.Fit(train);
            double elapsed = Stopwatch.GetElapsedTime(start).TotalSeconds;
            Console.WriteLine(
                string.Create(
                    System.Globalization.CultureInfo.InvariantCulture,
                    $"  {name, -18} {elapsed:f2} s, accuracy "
                        + $"{ClassificationReport.Of(test.ClassNames, test.Labels, other.Predict(test)).Accuracy:f3}"
                )
            );
        }

        return Compare(train, test, median);
    }

    private static int Compare(FeatureTable train, FeatureTable test, double median)
    {
        using Scratch folder = new();
        foreach ((string name, FeatureTable table) in new[] { ("train", train), ("test", test) })
        {
            File.WriteAllBytes(folder.File(name + ".f32"), MemoryMarshal.AsBytes(table.Values.AsSpan()).ToArray());
            File.WriteAllBytes(folder.File(name + ".i32"), MemoryMarshal.AsBytes(table.Labels.AsSpan()).ToArray());
        }

        string found = PythonProgram.Output(
            Script,
            "python3-sklearn",
            folder.Path,
            $"{train.Rows}",
            $"{train.Width}",
            $"{Repeats}"
        );
        double[] values =
        [
            .. found
                .Split((char[]?)null, StringSplitOptions.RemoveEmptyEntries)
                .Select(figure => double.Parse(figure, CultureInfo.InvariantCulture)),
        ];
        Console.WriteLine(
            string.Create(
                CultureInfo.InvariantCulture,
                $"scikit-learn   first {values[0]:f3} s, median {values[1]:f3} s, accuracy {values[2]:f3} "
                    + $"(one fit, C = 1)"
            )
        );
        Console.WriteLine(FormattableString.Invariant($"scikit-learn / MlNetTransfer = {values[1] / median:f2}"));
        return 0;
    }
}
