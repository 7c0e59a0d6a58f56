using System.Globalization;
using System.Text;
using System.Text.Json;
using MlNetTransfer.Reports;
using MlNetTransfer.Tests.Shared;

namespace MlNetTransfer.Cli.Tests.Reports;

/// <summary>The files of a run that never was, of any size: what is judged is known.</summary>
internal static class MadeRun
{
    /// <summary>Writes report.json and predictions.csv; every image of a class whose number ends in wrong is wrong.</summary>
    /// <param name="folder">Where to.</param>
    /// <param name="name">Folder of the run in it.</param>
    /// <param name="classes">The classes.</param>
    /// <param name="images">Images of every class.</param>
    /// <param name="wrong">How many of them, the first, are taken for the next class.</param>
    /// <param name="file">Names an image by class and number.</param>
    public static FinishedRun Write(
        TempFolder folder,
        string name,
        string[] classes,
        int images,
        int wrong,
        Func<int, int, string>? file = null
    )
    {
        file ??= (c, i) => $"class{c}/{i}.png";
        int n = classes.Length;
        int[][] confusion =
        [
            .. Enumerable
                .Range(0, n)
                .Select(c =>
                    Enumerable
                        .Range(0, n)
                        .Select(p =>
                            p == c ? images - wrong
                            : p == (c + 1) % n ? wrong
                            : 0
                        )
                        .ToArray()
                ),
        ];
        double accuracy = (double)(images - wrong) / images;
        var report = new
        {
            images = n * images,
            accuracy,
            accuracyInterval = new[] { Math.Max(0, accuracy - 0.05), Math.Min(1, accuracy + 0.05) },
            chance = 1.0 / n,
            majorityClass = classes[0],
            majorityShare = 1.0 / n,
            logLoss = 0.5,
            ece = 0.02,
            confusion,
            perClass = classes.Select(c => new
            {
                name = c,
                precision = accuracy,
                recall = accuracy,
                f1 = accuracy,
                support = images,
            }),
            ranking = new
            {
                macroRocAuc = Estimate(accuracy),
                macroAveragePrecision = Estimate(accuracy),
                perClass = classes.Select(c => new
                {
                    name = c,
                    rocAuc = Estimate(accuracy),
                    averagePrecision = Estimate(accuracy),
                }),
            },
            findingCounts = new { labelError = 3, nearDuplicate = 1 },
            findings = new object[]
            {
                new
                {
                    kind = "labelError",
                    files = new[] { file(0, 0) },
                    score = 0.9,
                    message = "Labelled <i>wrongly</i>.",
                    @class = classes[0],
                },
                new
                {
                    kind = "nearDuplicate",
                    files = new[] { file(0, 1), file(1, 1) },
                    score = 0.95,
                    message = "Nearly.",
                    @class = classes[0],
                },
            },
            findingsLeftOut = 2,
            rejected = new[] { new { file = "bad<b>.png", reason = "damaged & short" } },
            seconds = 1.5,
            trainImages = n * images,
            testImages = n * images,
            protocol = new
            {
                kind = "crossValidation",
                folds = 5,
                asked = false,
                reason = "few images",
            },
            backbone = "resnet18",
            taps = new[] { "pool" },
            featureWidth = 512,
            head = "ridge",
            model = "model.onnx",
            modelSha256 = "00",
            trainingDigest = "11",
            parity = new
            {
                images = 1,
                maxDifference = 0.0,
                meanDifference = 0.0,
                labelFlips = 0,
            },
            notes = new[] { "A note with <i>markup</i>." },
        };
        folder.Write($"{name}/report.json", JsonSerializer.SerializeToUtf8Bytes(report));
        var csv = new StringBuilder("file,truth,fold,prediction,probability");
        foreach (string c in classes)
            csv.Append(CultureInfo.InvariantCulture, $",{Quoted($"p_{c}")}");
        csv.Append(",error\n");
        for (int c = 0; c < n; c++)
        for (int i = 0; i < images; i++)
        {
            int said = i < wrong ? (c + 1) % n : c;
            csv.Append(
                CultureInfo.InvariantCulture,
                $"{Quoted(file(c, i))},{Quoted(classes[c])},1,{Quoted(classes[said])},0.9"
            );
            for (int p = 0; p < n; p++)
                csv.Append(CultureInfo.InvariantCulture, $",{(p == said ? 0.9 : 0.1 / (n - 1))}");
            csv.Append(",\n");
        }

        folder.Write($"{name}/predictions.csv", Encoding.UTF8.GetBytes(csv.ToString()));
        return FinishedRun.Load(folder.File(name));
    }

    private static object Estimate(double value) =>
        new
        {
            value,
            low = value / 2,
            high = 1.0,
        };

    private static string Quoted(string text) => $"\"{text.Replace("\"", "\"\"", StringComparison.Ordinal)}\"";
}
