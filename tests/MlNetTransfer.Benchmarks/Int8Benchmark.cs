using MlNetTransfer.Datasets;
using MlNetTransfer.Jobs;
using MlNetTransfer.Models.Quantization;
using MlNetTransfer.Onnx.Quantization;

namespace MlNetTransfer.Benchmarks;

/// <summary>
/// What int8 costs and gains beside float32 on clipart10: trained with all defaults on 60 % of the images, calibrated
/// on those, judged on the other 40 %.
/// </summary>
internal static class Int8Benchmark
{
    private const double TestFraction = 0.4;

    private static readonly (string Name, Int8Options Options)[] Variants =
    [
        ("min-max", Unbounded(CalibrationMethod.MinMax)),
        ("percentile 99.99", Unbounded(CalibrationMethod.Percentile)),
        (
            "percentile 99.9",
            Unbounded(CalibrationMethod.Percentile) with
            {
                Calibration = new RangeCalibration { Method = CalibrationMethod.Percentile, Percentile = 99.9 },
            }
        ),
        ("entropy", Unbounded(CalibrationMethod.Entropy)),
        ("min-max, head too", Unbounded(CalibrationMethod.MinMax) with { QuantizeHead = true }),
        ("min-max, 7-bit weights", Unbounded(CalibrationMethod.MinMax) with { WeightBits = WeightBits.Seven }),
        (
            "entropy, auto-float",
            Unbounded(CalibrationMethod.Entropy) with
            {
                AutoFloat = true,
                MaxLoss = new Int8Options().MaxLoss,
            }
        ),
        (
            "min-max, auto-float",
            Unbounded(CalibrationMethod.MinMax) with
            {
                AutoFloat = true,
                MaxLoss = new Int8Options().MaxLoss,
            }
        ),
    ];

    public static int Run(string[] args)
    {
        ImageDataset data = OpenClipart.Read();
        TrainTestRows split = StratifiedSplit.TrainTest([.. data.Items.Select(i => i.Label)], TestFraction, seed: 1);
        ImageDataset train = data with { Items = [.. split.Train.Select(r => data.Items[r])] };
        ImageItem[] test = [.. split.Test.Select(r => data.Items[r])];
        string work = Directory.CreateTempSubdirectory("mlnet-transfer-int8-").FullName;
        try
        {
            string list = Path.Combine(work, "train.csv");
            PackagedFolders.WriteList(train, list);
            foreach (string id in args.Length > 0 ? args : ["mobilenet_v2_140", "inception_v3"])
            {
                string output = Path.Combine(work, id);
                TrainSummary summary = new TrainJob(
                    new TrainOptions
                    {
                        Folder = list,
                        Output = output,
                        Backbone = id,
                    }
                ).Run();
                Console.WriteLine(
                    $"{id}, {summary.Taps.Count} tap(s), {summary.Head}: calibrated on at most "
                        + $"{new Int8Options().CalibrationImages} of {train.Items.Count} images, judged on "
                        + $"{test.Length} others"
                );
                Console.WriteLine(
                    $"  {"", -24} {"float32", 7} {"int8", 7} {"change, 95 % interval", -24} {"flips", 5} "
                        + $"{"mean |dp|", 9} {"size", 6} {"speed (rounds)", -20} layers int8/float"
                );
                foreach ((string name, Int8Options options) in Variants)
                    Row(name, new Int8Export(options), Path.Combine(output, "model.onnx"), train.Items, test);
            }

            return 0;
        }
        finally
        {
            Directory.Delete(work, recursive: true);
        }
    }

    private static void Row(
        string name,
        Int8Export export,
        string model,
        IReadOnlyList<ImageItem> train,
        IReadOnlyList<ImageItem> test
    )
    {
        QuantizationReport r = export.Run(model, train, test).Report;
        string change = string.Create(
            System.Globalization.CultureInfo.InvariantCulture,
            $"{100 * r.Difference.Value:+0.0;-0.0;0.0} ({100 * r.DifferenceInterval.Low:+0.0;-0.0;0.0} to "
                + $"{100 * r.DifferenceInterval.High:+0.0;-0.0;0.0})"
        );
        string speed = FormattableString.Invariant(
            $"{r.Speed!.Ratio:f2} ({r.Speed.LeastRatio:f2} to {r.Speed.MostRatio:f2})"
        );
        ClassChange worst = r.Classes.MinBy(c => c.Change)!;
        Console.WriteLine(
            string.Create(
                System.Globalization.CultureInfo.InvariantCulture,
                $"  {name, -24} {100 * r.FloatAccuracy, 7:f1} {100 * r.Int8Accuracy, 7:f1} {change, -24} "
                    + $"{r.LabelFlips, 5} {r.MeanProbabilityDifference, 9:f4} "
                    + $"{(double)r.Int8Bytes / r.FloatBytes, 6:f2} {speed, -20} "
                    + $"{r.Int8Layers}/{r.FloatLayers.Count}; worst class {worst.Name} "
                    + $"{100 * worst.Change:f1} (n = {worst.Images}); looks {r.Looks}"
            )
        );
    }

    private static Int8Options Unbounded(CalibrationMethod method) =>
        new()
        {
            Calibration = new RangeCalibration { Method = method },
            MaxLoss = 1,
            SpeedRounds = 15,
        };
}
