using MlNetTransfer.Backbones;
using MlNetTransfer.Datasets;
using MlNetTransfer.Jobs;
using MlNetTransfer.Models.Quantization;
using MlNetTransfer.Onnx.Quantization;
using MlNetTransfer.Tests.Shared;

namespace MlNetTransfer.Experiments;

/// <summary>
/// What int8 costs and gains beside float32 on clipart10: trained with all defaults on 60 % of the images, calibrated
/// on those, judged on the other 40 %.
/// </summary>
internal static class Int8Experiment
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

    public static int Run(string[] args, Experiment experiment)
    {
        Dataset data = OpenClipart.Read();
        TrainTestRows split = StratifiedSplit.TrainTest([.. data.Items.Select(i => i.Label)], TestFraction, seed: 1);
        Dataset train = data with { Items = [.. split.Train.Select(r => data.Items[r])] };
        DataItem[] test = [.. split.Test.Select(r => data.Items[r])];
        using Scratch work = new();
        string list = work.File("train.csv");
        PackagedFolders.WriteList(train, list);
        foreach (string id in args.Length > 0 ? args : [BackboneCatalog.DefaultId])
        {
            string output = work.File(id);
            TrainSummary summary = new TrainJob(
                new TrainOptions
                {
                    Folder = list,
                    Output = output,
                    Backbone = id,
                }
            ).Run();
            Table table = experiment.Table(
                $"{id}, {summary.Taps.Count} tap(s), {summary.Head}: calibrated on at most "
                    + $"{new Int8Options().CalibrationImages} of {train.Items.Count} images, judged on "
                    + $"{test.Length} others; change of the accuracy with its 95 % interval, mean change of a "
                    + $"probability, size and speed as ratios to float32 (speed: median, least and most of the "
                    + $"rounds)",
                Column.Text("variant", 22),
                Column.Percent("float32", 9),
                Column.Percent("int8", 6),
                new Column("change", 19, "+0.0;-0.0;0.0", 100),
                Column.Number("flips"),
                Column.Number("probability", "0.0000"),
                Column.Number("size", "0.00"),
                Column.Number("speed", "0.00", 19),
                Column.Number("int8Layers"),
                Column.Number("floatLayers"),
                Column.Text("worstClass", 10),
                Column.Percent("worstChange"),
                Column.Number("worstImages"),
                Column.Number("looks")
            );
            foreach ((string name, Int8Options options) in Variants)
                Row(table, name, new Int8Export(options), Path.Combine(output, "model.onnx"), train.Items, test);
        }

        return 0;
    }

    private static void Row(
        Table table,
        string name,
        Int8Export export,
        string model,
        IReadOnlyList<DataItem> train,
        IReadOnlyList<DataItem> test
    )
    {
        QuantizationReport r = export.Run(model, train, test).Report;
        ClassChange worst = r.Classes.MinBy(c => c.Change)!;
        table.Add(
            name,
            r.FloatAccuracy,
            r.Int8Accuracy,
            new Figure(r.Difference.Value) { Interval = r.DifferenceInterval },
            r.LabelFlips,
            r.MeanProbabilityDifference,
            (double)r.Int8Bytes / r.FloatBytes,
            new Figure(r.Speed!.Ratio) { Interval = new(r.Speed.LeastRatio, r.Speed.MostRatio) },
            r.Int8Layers,
            r.FloatLayers.Count,
            worst.Name,
            worst.Change,
            worst.Images,
            r.Looks
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
