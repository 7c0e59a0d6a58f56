using System.Diagnostics;
using System.Globalization;
using System.Runtime.InteropServices;
using MlNetTransfer.Evaluation;
using MlNetTransfer.Features;
using MlNetTransfer.Heads;

namespace MlNetTransfer.Benchmarks;

/// <summary>
/// The softmax head with default settings, the choice of its penalty included, beside one fit of scikit-learn's
/// LogisticRegression at its defaults.
/// </summary>
internal static class HeadBenchmark
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
            .. args.Select(arg => int.Parse(arg, CultureInfo.InvariantCulture)),
            .. new[] { 2000, 1280, 10 }.Skip(args.Length),
        ];
        (int rows, int width, int classes) = (sizes[0], sizes[1], sizes[2]);
        var rng = new Rng(1);
        float[] centres = [.. Enumerable.Range(0, classes * width).Select(_ => (float)(0.1 * rng.NextNormal()))];
        FeatureTable train = Draw(centres, rows, width, classes, rng),
            test = Draw(centres, TestRows, width, classes, rng);

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

    private static FeatureTable Draw(float[] centres, int rows, int width, int classes, Rng rng)
    {
        int[] labels = [.. Enumerable.Range(0, rows).Select(i => i % classes)];
        var values = new float[rows * width];
        for (int i = 0; i < values.Length; i++)
            values[i] = centres[labels[i / width] * width + i % width] + (float)rng.NextNormal();
        return new FeatureTable([.. Enumerable.Range(0, classes).Select(c => $"c{c}")], labels, values, width);
    }

    private static int Compare(FeatureTable train, FeatureTable test, double median)
    {
        DirectoryInfo folder = Directory.CreateTempSubdirectory("head-benchmark");
        try
        {
            foreach ((string name, FeatureTable table) in new[] { ("train", train), ("test", test) })
            {
                File.WriteAllBytes(
                    Path.Combine(folder.FullName, name + ".f32"),
                    MemoryMarshal.AsBytes(table.Values.AsSpan()).ToArray()
                );
                File.WriteAllBytes(
                    Path.Combine(folder.FullName, name + ".i32"),
                    MemoryMarshal.AsBytes(table.Labels.AsSpan()).ToArray()
                );
            }

            string[] arguments = ["-c", Script, folder.FullName, $"{train.Rows}", $"{train.Width}", $"{Repeats}"];
            var start = new ProcessStartInfo(
                File.Exists("/usr/bin/python3") ? "/usr/bin/python3" : "python3",
                arguments
            )
            {
                RedirectStandardOutput = true,
            };
            using Process python = Process.Start(start)!;
            string[] figures = python
                .StandardOutput.ReadToEnd()
                .Split((char[]?)null, StringSplitOptions.RemoveEmptyEntries);
            python.WaitForExit();
            if (python.ExitCode != 0 || figures.Length != 3)
                return 1;
            double[] values = [.. figures.Select(figure => double.Parse(figure, CultureInfo.InvariantCulture))];
            Console.WriteLine(
                string.Create(
                    System.Globalization.CultureInfo.InvariantCulture,
                    $"scikit-learn   first {values[0]:f3} s, median {values[1]:f3} s, accuracy {values[2]:f3} (one "
                        + $"fit, C = 1)"
                )
            );
            Console.WriteLine(FormattableString.Invariant($"scikit-learn / MlNetTransfer = {values[1] / median:f2}"));
            return 0;
        }
        finally
        {
            folder.Delete(recursive: true);
        }
    }
}
