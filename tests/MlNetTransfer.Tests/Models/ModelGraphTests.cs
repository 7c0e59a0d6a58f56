using MlNetTransfer.Encoders;
using MlNetTransfer.Features;
using MlNetTransfer.Heads;
using MlNetTransfer.Imaging;
using MlNetTransfer.Models;
using MlNetTransfer.Onnx;
using MlNetTransfer.Onnx.Proto;
using MlNetTransfer.Tests.Heads;
using MlNetTransfer.Tests.Shared;

namespace MlNetTransfer.Tests.Models;

[TestClass]
public sealed class ModelGraphTests
{
    // Wide enough for vectors and a remainder; an image [3, 2, 2] flattened is a row.
    private const int Width = 12,
        Classes = 5;

    private static readonly ModelMetadata Metadata = new()
    {
        Labels = [.. Enumerable.Range(0, Classes).Select(c => $"class{c}")],
        Encoder = new ImageEncoder(new Preprocessing { Size = 8 }),
        Backbone = "none",
        CardDigest = "",
        Taps = ["features"],
        TrainingDigest = "",
    };

    public static IEnumerable<object[]> Trainers =>
        [
            .. HeadKind.All.Select(kind => new object[] { kind.Trainer(new HeadSettings()) }),
            .. HeadKind.All.Select(kind =>
                new object[] { kind.Trainer(new HeadSettings { ClassWeights = ClassWeights.Balanced }) }
            ),
            [new Moved(new KernelRidgeTrainer())],
            [new Moved(new RidgeTrainer())],
            [new MultiTapTrainer(new TapGroups(["a", "b"], [4, 8]), new MultiTapTrainerOptions { Fraction = 0.5 })],
            [new LinearDiscriminantTrainer(new LinearDiscriminantTrainerOptions { Shrinkage = 0.7 })],
            [new MlpTrainer(new MlpTrainerOptions { Hidden = 70, MaxEpochs = 10 })],
            [new CalibratedTrainer(new KernelRidgeTrainer())],
            [new LinearDiscriminantTrainer()],
            [new CalibratedTrainer(new KNearestNeighboursTrainer())],
            [new CalibratedTrainer(new LinearDiscriminantTrainer())],
            [new KNearestNeighboursTrainer(new KNearestNeighboursTrainerOptions { Neighbours = 1 })],
        ];

    [TestMethod]
    [DynamicData(nameof(Trainers))]
    public void Build_AnyHead_GivesItsProbabilitiesAndLabels(IHeadTrainer trainer)
    {
        FeatureTable train = Rows.Clusters(60, Width, Classes, 0.7);
        IHead head = trainer.Fit(train);
        OnnxModel model = ModelGraph.Build(Flattened(), head, Metadata);
        Assert.IsLessThanOrEqualTo(17, model.OpsetVersion());
        model = model
            .Append([
                new NodeProto
                {
                    OpType = "Cast",
                    Name = "number",
                    Input = { TransferModel.LabelOutput },
                    Output = { "number" },
                    Attribute = { Attributes.Of("to", 1) },
                },
            ])
            .CutAt(TransferModel.ProbabilitiesOutput, "number");
        foreach (int rows in (int[])[1, 7])
        {
            FeatureTable test = Rows.Clusters(7, Width, Classes, 0.7, 5).Select([.. Enumerable.Range(0, rows)]);
            float[] expected = head.Predict(test);
            Dictionary<string, float[]> found = Ort.Run(model, ("image", test.Values, [rows, 3, 2, 2]));
            Assert.HasCount(rows * Classes, found[TransferModel.ProbabilitiesOutput]);
            for (int i = 0; i < expected.Length; i++)
                Assert.AreEqual(
                    expected[i],
                    found[TransferModel.ProbabilitiesOutput][i],
                    1e-5,
                    "the same sums in float32, in another order"
                );
            for (int i = 0; i < rows; i++)
                Assert.AreEqual(Likeliest(expected.AsSpan(i * Classes, Classes)), found["number"][i]);
        }
    }

    [TestMethod]
    [DynamicData(nameof(Trainers))]
    public void Logits_AnyHead_SoftmaxIsPredict(IHeadTrainer trainer)
    {
        IHead head = trainer.Fit(Rows.Clusters(60, Width, Classes, 0.7));
        FeatureTable test = Rows.Clusters(9, Width, Classes, 0.7, 6);
        var logits = new float[9 * Classes];
        head.Logits(test.Values, logits);
        float[] expected = head.Predict(test);
        for (int i = 0; i < 9; i++)
        {
            double[] e =
            [
                .. logits
                    .Skip(i * Classes)
                    .Take(Classes)
                    .Select(z => Math.Exp(z - logits.Skip(i * Classes).Take(Classes).Max())),
            ];
            for (int c = 0; c < Classes; c++)
                Assert.AreEqual(
                    e[c] / e.Sum(),
                    expected[i * Classes + c],
                    1e-6,
                    "float32; a class without votes counts 1e-7"
                );
        }
    }

    [TestMethod]
    public void Build_NamesTakenByTheBackbone_AreLeftToIt()
    {
        OnnxModel taken = new GraphBuilder()
            .Input("image", ["N", 3, 2, 2])
            .Node("Relu", ["image"], ["logits"])
            .Node("Identity", ["logits"], ["head.weight"])
            .Node("Flatten", ["head.weight"], [FeatureGraph.Output], Attributes.Of("axis", 1))
            .Output(FeatureGraph.Output, ["N", Width])
            .Build();
        NearestMeanHead head = new NearestMeanTrainer().Fit(Rows.Clusters(60, Width, Classes));
        float[] row = [.. Enumerable.Range(0, Width).Select(i => i - 3f)],
            p = new float[Classes];
        head.Predict([.. row.Select(v => Math.Max(v, 0))], p);
        float[] found = Ort.Run(
            ModelGraph.Build(taken, head, Metadata).CutAt(TransferModel.ProbabilitiesOutput),
            ("image", row, [1, 3, 2, 2])
        )[TransferModel.ProbabilitiesOutput];
        for (int c = 0; c < Classes; c++)
            Assert.AreEqual(p[c], found[c], 1e-5, "float32");
    }

    /// <summary>Fits a head and gives its classes thresholds.</summary>
    private sealed class Moved(IHeadTrainer inner) : IHeadTrainer
    {
        public IHead Fit(FeatureTable train, IProgress<FitProgress>? progress, CancellationToken cancellation) =>
            ThresholdSearch.Apply(inner.Fit(train, progress, cancellation), [0.5, 0, -1, 0, 0.25]);
    }

    private static OnnxModel Flattened() =>
        new GraphBuilder()
            .Input("image", ["N", 3, 2, 2])
            .Node("Flatten", ["image"], [FeatureGraph.Output], Attributes.Of("axis", 1))
            .Output(FeatureGraph.Output, ["N", Width])
            .Build();

    private static int Likeliest(ReadOnlySpan<float> p)
    {
        int best = 0;
        for (int c = 1; c < p.Length; c++)
            if (p[c] > p[best])
                best = c;
        return best;
    }
}
