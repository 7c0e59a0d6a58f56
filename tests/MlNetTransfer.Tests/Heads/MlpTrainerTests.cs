using System.Globalization;
using System.Text.Json;
using MlNetTransfer.Evaluation;
using MlNetTransfer.Features;
using MlNetTransfer.Heads;
using MlNetTransfer.Numerics;
using MlNetTransfer.Tests.Shared;

namespace MlNetTransfer.Tests.Heads;

[TestClass]
public sealed class MlpTrainerTests
{
    [TestMethod]
    [DataRow(false)]
    [DataRow(true)]
    public void AddGradient_EveryLayer_IsTheSlopeOfTheLoss(bool dropout)
    {
        (MlpNetwork network, int[] truth) = Network(7, 10, 3, 6);
        float[]? mask = null;
        if (dropout)
            mask = [.. Enumerable.Range(0, network.MaskLength).Select(i => i % 3 == 0 ? 0f : 1.5f)];
        network.AddGradient(truth, mask, 1f / 6);
        foreach (
            (AlignedFloats values, AlignedFloats gradient) in new[]
            {
                (network.Weights1.Weights, network.Weights1.WeightGradient),
                (network.Weights1.Bias, network.Weights1.BiasGradient),
                (network.Weights2.Weights, network.Weights2.WeightGradient),
                (network.Weights2.Bias, network.Weights2.BiasGradient),
            }
        )
        {
            float[] found = gradient.Span.ToArray();
            int[] checkedAt = [.. Enumerable.Range(0, found.Length).Where(i => found[i] != 0).Take(40)];
            Assert.IsNotEmpty(checkedAt);
            foreach (int i in checkedAt)
            {
                float original = values.Span[i],
                    step = 5e-4f;
                values.Span[i] = original + step;
                double up = network.AddGradient(truth, mask, 0) / 6;
                values.Span[i] = original - step;
                double down = network.AddGradient(truth, mask, 0) / 6;
                values.Span[i] = original;
                Assert.AreEqual(
                    (up - down) / (2 * step),
                    found[i],
                    5e-4,
                    "float32 losses near 1, off by 1e-7, divided by 1e-3"
                );
            }
        }
    }

    [TestMethod]
    public void Step_ThreeTimes_IsPyTorchs()
    {
        Python.Require("torch");
        (MlpNetwork network, int[] truth) = Network(7, 10, 3, 6);
        string input = JsonSerializer.Serialize(
            new
            {
                x = Rows7(network),
                y = truth,
                w1 = Take(network.Weights1, 10, 7),
                w2 = Take(network.Weights2, 3, 10),
            }
        );
        for (int t = 1; t <= 3; t++)
        {
            network.AddGradient(truth, null, 1f / 6);
            network.Weights1.Step(t, 0.01, 0.3, new ParallelOptions());
            network.Weights2.Step(t, 0.01, 0.3, new ParallelOptions());
        }

        double[] expected =
        [
            .. Python
                .Run(
                    """
                    import sys, json, torch
                    d = json.loads(sys.argv[1])
                    t = lambda k, *s: torch.tensor(d[k]).reshape(*s)
                    a, b = torch.nn.Linear(7, 10), torch.nn.Linear(10, 3)
                    with torch.no_grad():
                        a.weight.copy_(t('w1', 10, 7)); b.weight.copy_(t('w2', 3, 10)); a.bias.zero_(); b.bias.zero_()
                    o = torch.optim.AdamW([dict(params=[a.weight, b.weight], weight_decay=0.3), dict(params=[a.bias, b.bias], weight_decay=0)], lr=0.01)
                    for _ in range(3):
                        o.zero_grad()
                        torch.nn.functional.cross_entropy(b(torch.relu(a(t('x', 6, 7)))), torch.tensor(d['y'])).backward()
                        o.step()
                    print(*[float(v) for p in (a.weight, b.weight, a.bias, b.bias) for v in p.detach().flatten()])
                    """,
                    input
                )
                .Split((char[]?)null, StringSplitOptions.RemoveEmptyEntries)
                .Select(v => double.Parse(v, CultureInfo.InvariantCulture)),
        ];
        float[] found =
        [
            .. Take(network.Weights1, 10, 7),
            .. Take(network.Weights2, 3, 10),
            .. network.Weights1.Bias.Span[..10],
            .. network.Weights2.Bias.Span[..3],
        ];
        Assert.HasCount(expected.Length, found);
        for (int i = 0; i < found.Length; i++)
            Assert.AreEqual(expected[i], found[i], 2e-5, "float32; Adam divides gradients by their own size");
    }

    [TestMethod]
    public void Fit_Xor_LearnsWhatNoLinearHeadCan()
    {
        FeatureTable train = Xor(400, 1),
            test = Xor(200, 2);
        double Accuracy(IHeadTrainer trainer) =>
            ClassificationReport.Of(test.ClassNames, test.Labels, trainer.Fit(train).Predict(test)).Accuracy;
        Assert.IsGreaterThan(0.97, Accuracy(new MlpTrainer()), "the blobs are 8 deviations apart");
        Assert.IsLessThan(0.8, Accuracy(new RidgeTrainer()));
    }

    [TestMethod]
    public void Fit_AnyNumberOfWorkers_GivesTheSameBytes()
    {
        FeatureTable table = Rows.Clusters(150, 20, 3, 0.5);
        float[][] found = [.. new[] { 1, 4 }.Select(workers => new MlpTrainer(
                    new MlpTrainerOptions
                    {
                        Workers = workers,
                        Hidden = 200,
                        MaxEpochs = 5,
                        Seed = 3,
                    }
                ).Fit(table).Predict(table))];
        CollectionAssert.AreEqual(found[0], found[1]);
        CollectionAssert.AreNotEqual(found[0], new MlpTrainer(
                new MlpTrainerOptions
                {
                    Hidden = 200,
                    MaxEpochs = 5,
                    Seed = 4,
                }
            ).Fit(table).Predict(table));
    }

    [TestMethod]
    public void Fit_NoiseLabels_StopsEarlyAndKeepsTheBestWeights()
    {
        FeatureTable table = Rows.Clusters(120, 40, 3, 0);
        MlpHead head = new MlpTrainer(new MlpTrainerOptions { Patience = 4 }).Fit(table);
        Assert.AreEqual(head.Report.BestEpoch + 4, head.Report.Epochs);
        int[] held =
        [
            .. MlNetTransfer.Datasets.StratifiedSplit.TrainTest(table.Labels, 0.15, 0, table.ClassNames).Test,
        ];
        FeatureTable validation = table.Select(held);
        Assert.AreEqual(
            head.Report.ValidationLogLoss,
            ClassificationReport.Of(table.ClassNames, validation.Labels, head.Predict(validation)).LogLoss,
            1e-4,
            "weights folded into raw features, float32"
        );
        Assert.AreEqual(held.Length, head.Report.ValidationRows);
    }

    [TestMethod]
    public void Fit_OneRowPerClass_DoesAllEpochs()
    {
        MlpHead head = new MlpTrainer(new MlpTrainerOptions { MaxEpochs = 7 }).Fit(Rows.Clusters(3, 5, 3));
        Assert.AreEqual(7, head.Report.Epochs);
        Assert.AreEqual(7, head.Report.BestEpoch);
        Assert.AreEqual(0, head.Report.ValidationRows);
    }

    private static (MlpNetwork Network, int[] Truth) Network(int width, int hidden, int classes, int rows)
    {
        var network = new MlpNetwork(width, hidden, classes, null, new ParallelOptions());
        // A seed with which no unit is so near 0 that a step of the finite difference passes its kink.
        var rng = new Rng(3);
        for (int i = 0; i < rows; i++)
        for (int j = 0; j < width; j++)
            network.Input.Span[i * network.Stride + j] = (float)rng.NextNormal();
        for (int h = 0; h < hidden; h++)
        for (int j = 0; j < width; j++)
            network.Weights1.Weights.Span[h * network.Weights1.Inputs + j] = (float)rng.NextNormal() / 2;
        for (int c = 0; c < classes; c++)
        for (int h = 0; h < hidden; h++)
            network.Weights2.Weights.Span[c * network.Weights2.Inputs + h] = (float)rng.NextNormal() / 2;
        return (network, [.. Enumerable.Range(0, rows).Select(i => i % classes)]);
    }

    private static float[] Rows7(MlpNetwork network) =>
        [.. Enumerable.Range(0, 6).SelectMany(i => network.Input.Span.Slice(i * network.Stride, 7).ToArray())];

    private static float[] Take(MlpLayer layer, int units, int inputs) =>
        [.. Enumerable.Range(0, units).SelectMany(u => layer.Weights.Span.Slice(u * layer.Inputs, inputs).ToArray())];

    // Four blobs at the corners of a square, opposite ones of the same class.
    private static FeatureTable Xor(int rows, int seed)
    {
        var rng = new Rng(seed);
        return Rows.Table(
            [.. Enumerable.Range(0, rows).Select(i => i % 4 is 0 or 3 ? 0 : 1)],
            [
                .. Enumerable
                    .Range(0, rows)
                    .SelectMany(i =>
                        new[] { (float)(i % 4 / 2 * 8 + rng.NextNormal()), (float)(i % 2 * 8 + rng.NextNormal()) }
                    ),
            ],
            2,
            2
        );
    }
}
