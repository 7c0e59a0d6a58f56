using MlNetTransfer.Features;
using MlNetTransfer.Heads;
using MlNetTransfer.Models;
using MlNetTransfer.Onnx;
using MlNetTransfer.Selective;
using MlNetTransfer.Tests.Heads;
using MlNetTransfer.Tests.Shared;

namespace MlNetTransfer.Tests.Selective;

[TestClass]
public sealed class UnknownScoreTests
{
    private static readonly FeatureTable Train = Rows.Clusters(90, 12, 3),
        Test = Rows.Clusters(20, 12, 3, seed: 4);

    [TestMethod]
    public void Score_AnyRows_IsNumpys()
    {
        double[] expected = Sklearn
            .Run(
                """
                def unit(x):
                    x = np.array(x).reshape(-1, d['w']); x = np.sign(x) * np.sqrt(np.abs(x))
                    return x / np.linalg.norm(x, axis=1, keepdims=True)
                r = (1 - (unit(d['test']) @ unit(d['train']).T).max(axis=1)) / 0.25
                """,
                new
                {
                    w = Train.Width,
                    train = Train.Values,
                    test = Test.Values,
                }
            )
            .Doubles();
        double[] found = UnknownScore.Of(Train).Scaled(0.25).Score(Test);
        for (int i = 0; i < found.Length; i++)
            Assert.AreEqual(expected[i], found[i], 2e-6, "four times 1 less a cosine in float32");
    }

    [TestMethod]
    [DataRow(12, 90, 9)]
    [DataRow(700, 60, 11)]
    [DataRow(700, 60, 18)]
    public void Graph_AnyWidthAndOperatorSet_ScoresAsTheLibraryDoes(int width, int rows, int opset)
    {
        FeatureTable train = Rows.Clusters(rows, width, 3),
            test = Rows.Clusters(7, width, 3, seed: 4);
        UnknownScore score = UnknownScore.Of(train).Scaled(0.1);
        OnnxModel features = new GraphBuilder()
            .Input("image", ["N", width])
            .Node("Identity", ["image"], [FeatureGraph.Output])
            .Output(FeatureGraph.Output, ["N", width])
            .Build(opset);
        OnnxModel model = ModelGraph
            .WithHead(features, new NearestMeanTrainer().Fit(train), score)
            .CutAt(TransferModel.UnknownOutput);
        float[] found = Ort.Run(model, ("image", test.Values, [7, width]))[TransferModel.UnknownOutput];
        double[] expected = score.Score(test);
        Assert.HasCount(7, found);
        for (int i = 0; i < 7; i++)
            Assert.AreEqual(expected[i], found[i], 1e-5 * Math.Max(1, expected[i]), "float32 sums in another order");
    }

    [TestMethod]
    public void Score_ARowOfItsOwn_IsZero()
    {
        double[] found = UnknownScore.Of(Train).Score(Train);
        foreach (double score in found)
            Assert.AreEqual(0, score, 1e-6, "1 less a cosine of 1 in float32");
    }

    [TestMethod]
    public void Of_ManyRows_KeepsAThousandFromAllOver()
    {
        UnknownScore score = UnknownScore.Of(Rows.Clusters(2500, 5, 3));
        Assert.AreEqual(UnknownScore.MostRows, score.Rows);
    }

    [TestMethod]
    public void Of_WideRows_KeepsAnglesWithinSomeHundredths()
    {
        FeatureTable train = Rows.Clusters(40, 1200, 3),
            test = Rows.Clusters(20, 1200, 3, seed: 4);
        double[] found = UnknownScore.Of(train).Score(test);
        for (int i = 0; i < found.Length; i++)
        {
            double nearest = Enumerable.Range(0, train.Rows).Max(j => Cosine(test.Row(i), train.Row(j)));
            // An angle's cosine by 512 normal projections has a standard deviation of at most 1/√512 = 0.044.
            Assert.AreEqual(1 - nearest, found[i], 0.2);
        }
    }

    [TestMethod]
    public void Fit_HeldOut_ThresholdKeepsNineteenOfTwenty()
    {
        FeatureTable all = Rows.Clusters(400, 8, 3);
        int[] train = [.. Enumerable.Range(0, 300)],
            test = [.. Enumerable.Range(300, 100)];
        (UnknownScore score, UnknownImages facts) = Fit(all.Select(train), all.Select(test));
        // ⌈101 · 0.95⌉ = 96 of the 100 scores are at most the threshold.
        Assert.AreEqual(96, score.Score(all.Select(test)).Count(s => s <= 1 + 1e-9));
        Assert.AreEqual(0.95, facts.Kept);
        Assert.AreEqual(100, facts.Images);
        Assert.AreEqual(300, facts.Compared);
    }

    [TestMethod]
    public void Fit_Folds_ScoresEachRowWithoutItself()
    {
        FeatureTable all = Rows.Clusters(100, 8, 3);
        int[] fold = [.. Enumerable.Range(0, 100).Select(i => i % 5)];
        (UnknownScore score, UnknownImages facts) = UnknownImages.Fit(all, UnknownScore.OfFolds(all, fold))!.Value;
        Assert.AreEqual(100, facts.Images);
        // Had a row been compared with itself the threshold would be 0, and any other row far above 1.
        double[] found = score.Score(Rows.Clusters(100, 8, 3, seed: 1));
        Assert.IsTrue(found.All(s => s < 1e-3), "its own rows");
        FeatureTable other = Rows.Clusters(300, 8, 3);
        double[] next = score.Score(other.Select([.. Enumerable.Range(100, 200)]));
        Assert.IsTrue(next.Count(s => s <= 1) is > 170, $"{next.Count(s => s <= 1)} of 200 of the same kind pass");
    }

    [TestMethod]
    public void Fit_IdenticalImages_ScoresNothing()
    {
        FeatureTable same = Rows.Table(
            [.. Enumerable.Range(0, 20).Select(i => i % 2)],
            [.. Enumerable.Repeat(new[] { 1f, 2f, 3f }, 20).SelectMany(row => row)],
            3,
            2
        );
        int[] fold = [.. Enumerable.Range(0, 20).Select(i => i % 4)];
        Assert.IsNull(UnknownImages.Fit(same, UnknownScore.OfFolds(same, fold)));
    }

    [TestMethod]
    public void Fit_FewRows_PromisesNoMoreThanTheyCan()
    {
        // Two images of each of two classes: the largest of four scores is passed by one image in five.
        FeatureTable few = Rows.Clusters(4, 6, 2);
        (_, UnknownImages facts) = UnknownImages.Fit(few, UnknownScore.OfFolds(few, [0, 1, 0, 1]))!.Value;
        Assert.AreEqual(0.8, facts.Kept, 1e-12);
        Assert.IsNull(UnknownImages.Fit(few, UnknownScore.OfFolds(few, [0, 1, 0, CrossValidation.NeverHeldOut])));
    }

    private static (UnknownScore Score, UnknownImages Facts) Fit(FeatureTable train, FeatureTable test) =>
        UnknownImages.Fit(train, UnknownScore.Of(train).Score(test))!.Value;

    private static double Cosine(ReadOnlySpan<float> a, ReadOnlySpan<float> b)
    {
        double product = 0,
            own = 0,
            other = 0;
        for (int i = 0; i < a.Length; i++)
        {
            double x = KernelRidgeHead.Root(a[i]),
                y = KernelRidgeHead.Root(b[i]);
            (product, own, other) = (product + x * y, own + x * x, other + y * y);
        }

        return product / Math.Sqrt(own * other);
    }
}
