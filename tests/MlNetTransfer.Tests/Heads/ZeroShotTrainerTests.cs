using MlNetTransfer.Datasets;
using MlNetTransfer.Features;
using MlNetTransfer.Heads;

namespace MlNetTransfer.Tests.Heads;

[TestClass]
public sealed class ZeroShotTrainerTests
{
    private const int Width = 24,
        Attributes = 5;

    /// <summary>Classes whose centres are made of their attributes: what is described is found.</summary>
    [TestMethod]
    public void Fit_ClassesMadeOfTheirAttributes_KnowsThoseWithoutImages()
    {
        (FeatureTable all, ClassAttributes attributes) = Task(12);
        (FeatureTable seen, FeatureTable test, int[] described) = Split(all, 3);
        ZeroShotFit fit = new ZeroShotTrainer(attributes).Fit(seen);
        CollectionAssert.AreEqual(attributes.Classes.ToArray(), fit.Head.ClassNames.ToArray());
        Assert.IsGreaterThan(0.6, Right(fit.Head, test, row => described.Contains(test.Labels[row])));
        Assert.IsGreaterThan(0.6, Right(fit.Head, test, row => !described.Contains(test.Labels[row])));
        ZeroShotJudgement judged = fit.Judgement;
        Assert.IsGreaterThan(judged.Chance + 0.3, judged.AmongThemselves);
        Assert.AreEqual(1.0 / 3, judged.Chance, 1e-12, "nine classes with images, three of them held out at a time");
        Assert.AreEqual(seen.Rows, judged.WithoutImages, "every class is held out once");
        Assert.IsLessThanOrEqualTo(judged.WithAlone, judged.With);
        Assert.AreEqual(2 * judged.With * judged.Without / (judged.With + judged.Without), judged.HarmonicMean, 1e-12);
        Assert.IsGreaterThanOrEqualTo(0, fit.Handicap);
    }

    /// <summary>The scores of the classes without handicap, from those of the kernel head, by NumPy.</summary>
    [TestMethod]
    public void Fit_Scores_AreThoseOfTheClosedForm()
    {
        (FeatureTable all, ClassAttributes attributes) = Task(7);
        (FeatureTable seen, FeatureTable test, int[] described) = Split(all, 2);
        ZeroShotFit fit = new ZeroShotTrainer(attributes, new ZeroShotTrainerOptions { Penalty = 0.7 }).Fit(seen);
        float[] scores = new float[test.Rows * seen.Classes],
            train = new float[seen.Rows * seen.Classes];
        KernelRidgeHead head = new KernelRidgeTrainer().Fit(seen);
        head.Logits(test.Values, scores);
        head.Logits(seen.Values, train);
        double[] expected = Sklearn
            .Run(
                """
                s = np.array(d["attributes"]).reshape(d["classes"], -1)
                s = (s - s.mean(0)) / s.std(0)
                s /= np.linalg.norm(s, axis=1, keepdims=True)
                z = np.array(d["scores"]).reshape(-1, len(d["seen"]))
                z = z - z.mean(1, keepdims=True)
                o = s[d["seen"]]
                m = o @ np.linalg.inv(o.T @ o + d["penalty"] * np.eye(o.shape[1])) @ s.T
                t = np.array(d["train"]).reshape(-1, len(d["seen"]))
                u = (t - t.mean(1, keepdims=True)) @ m
                v = z @ m / np.sqrt(((u - u.mean(1, keepdims=True)) ** 2).mean())
                v[:, d["seen"]] -= d["handicap"]
                r = (v / d["temperature"]).ravel()
                """,
                new
                {
                    attributes = Enumerable.Range(0, 7).SelectMany(attributes.Of),
                    classes = 7,
                    scores,
                    train,
                    seen = seen.ClassNames.Select(name => attributes.Classes.ToList().IndexOf(name)),
                    penalty = 0.7,
                    handicap = fit.Handicap,
                    temperature = fit.Temperature,
                }
            )
            .Doubles();
        var found = new float[test.Rows * 7];
        fit.Head.Logits(test.Values, found);
        double largest = expected.Max(Math.Abs);
        for (int i = 0; i < found.Length; i++)
            Assert.AreEqual(expected[i], found[i], 2e-5 * largest);
        Assert.HasCount(2, described);
    }

    [TestMethod]
    public void Fit_ManyRows_TakesALinearHead()
    {
        (FeatureTable all, ClassAttributes attributes) = Task(8, rows: 7200);
        (FeatureTable seen, FeatureTable test, int[] described) = Split(all, 2, perClass: 850);
        Assert.IsGreaterThan(KernelRidgeTrainer.MostRows, seen.Rows);
        ZeroShotFit fit = new ZeroShotTrainer(attributes).Fit(seen);
        Assert.IsInstanceOfType<LinearHead>(fit.Head);
        Assert.IsGreaterThan(0.5, Right(fit.Head, test, row => described.Contains(test.Labels[row])));
    }

    /// <summary>Seven classes in turns of three: the last turn holds two again, which are judged once.</summary>
    [TestMethod]
    public void Fit_ClassesThatDoNotDivide_AreHeldOutAsManyAtATime()
    {
        (FeatureTable all, ClassAttributes attributes) = Task(10);
        (FeatureTable seen, _, _) = Split(all, 3);
        ZeroShotJudgement judged = new ZeroShotTrainer(attributes).Fit(seen).Judgement;
        Assert.AreEqual(1.0 / 3, judged.Chance, 1e-12);
        Assert.AreEqual(seen.Rows, judged.WithoutImages);
    }

    /// <summary>Rows that belong together are not held out beside each other.</summary>
    [TestMethod]
    public void Fit_CopiesAsGroups_AreNotJudgedByEachOther()
    {
        (FeatureTable all, ClassAttributes attributes) = Task(8);
        (FeatureTable some, _, _) = Split(all, 2, perClass: 6);
        var rng = new Rng(2);
        FeatureTable noise =
                new(some.ClassNames, some.Labels, [.. some.Values.Select(_ => (float)rng.NextNormal())], some.Width),
            copies = noise.Select([.. Enumerable.Range(0, 3 * some.Rows).Select(i => i % some.Rows)]);
        int[] groups = [.. Enumerable.Range(0, copies.Rows).Select(i => i % some.Rows)];
        ZeroShotTrainer trainer = new(attributes);
        double apart = trainer.Fit(copies, null, null, CancellationToken.None).Judgement.WithAlone,
            together = trainer.Fit(copies, groups, null, CancellationToken.None).Judgement.WithAlone;
        Assert.IsGreaterThan(together + 0.2, apart, "noise is known where its copies were seen");
    }

    [TestMethod]
    public void Fit_Threads_ChangeNothing()
    {
        (FeatureTable all, ClassAttributes attributes) = Task(9);
        (FeatureTable seen, FeatureTable test, _) = Split(all, 3);
        float[] Of(int workers) =>
            new ZeroShotTrainer(attributes, new ZeroShotTrainerOptions { Workers = workers, Seed = 4 })
                .Fit(seen)
                .Head.Predict(test);
        CollectionAssert.AreEqual(Of(1), Of(3));
    }

    [TestMethod]
    public void Fit_ClassesThatDoNotFit_AreNamed()
    {
        (FeatureTable all, ClassAttributes attributes) = Task(6);
        (FeatureTable seen, _, _) = Split(all, 2);
        StringAssert.Contains(
            Assert.ThrowsExactly<TransferException>(() => new ZeroShotTrainer(attributes).Fit(all)).Message,
            "Every class of 'kinds' has images"
        );
        FeatureTable other = new(["class0", "zebra", .. seen.ClassNames.Skip(2)], seen.Labels, seen.Values, seen.Width);
        StringAssert.Contains(
            Assert.ThrowsExactly<TransferException>(() => new ZeroShotTrainer(attributes).Fit(other)).Message,
            "does not describe 'zebra', which has images"
        );
        (seen, _, _) = Split(all, 3);
        StringAssert.Contains(
            Assert.ThrowsExactly<TransferException>(() => new ZeroShotTrainer(attributes).Fit(seen)).Message,
            "3 classes have images; at least 4 are needed"
        );
        FeatureTable single = all.Select([.. Enumerable.Range(0, 4)]);
        StringAssert.Contains(
            Assert
                .ThrowsExactly<TransferException>(() =>
                    new ZeroShotTrainer(attributes).Fit(
                        new FeatureTable([.. all.ClassNames.Take(4)], single.Labels, single.Values, single.Width)
                    )
                )
                .Message,
            "has 1 training row"
        );
        Assert.Throws<ArgumentOutOfRangeException>(() => new ZeroShotTrainerOptions { Penalty = 0 });
    }

    /// <summary>Rows around centres that are linear in the attributes of their class.</summary>
    private static (FeatureTable All, ClassAttributes Attributes) Task(int classes, int rows = 900)
    {
        var rng = new Rng(11);
        double[][] values = [.. Enumerable.Range(0, classes).Select(_ => Normal(Attributes))],
            directions = [.. Enumerable.Range(0, Attributes).Select(_ => Normal(Width))];
        int[] labels = [.. Enumerable.Range(0, rows).Select(i => i % classes)];
        float[] features =
        [
            .. labels.SelectMany(label =>
                Enumerable
                    .Range(0, Width)
                    .Select(j => (float)(values[label].Select((v, a) => v * directions[a][j]).Sum() + rng.NextNormal()))
            ),
        ];
        FeatureTable all = Rows.Table(labels, features, Width, classes);
        return (
            all,
            new ClassAttributes(
                "kinds",
                all.ClassNames,
                [.. Enumerable.Range(0, Attributes).Select(a => $"a{a}")],
                values
            )
        );

        double[] Normal(int count) => [.. Enumerable.Range(0, count).Select(_ => rng.NextNormal())];
    }

    private static (FeatureTable Seen, FeatureTable Test, int[] Described) Split(
        FeatureTable all,
        int described,
        int perClass = 30
    )
    {
        int first = all.Classes - described;
        int[] train = [.. Of(c => c < first).Where(row => row / all.Classes < perClass)];
        FeatureTable some = all.Select(train);
        return (
            new FeatureTable([.. all.ClassNames.Take(first)], some.Labels, some.Values, some.Width),
            all.Select([.. Of(_ => true).Except(train).Take(400)]),
            [.. Enumerable.Range(first, described)]
        );

        IEnumerable<int> Of(Func<int, bool> isIn) => Enumerable.Range(0, all.Rows).Where(row => isIn(all.Labels[row]));
    }

    private static double Right(IHead head, FeatureTable test, Func<int, bool> isAsked)
    {
        float[] said = head.Predict(test);
        return Enumerable
            .Range(0, test.Rows)
            .Where(isAsked)
            .Average(row =>
                Enumerable.Range(0, test.Classes).MaxBy(c => said[row * test.Classes + c]) == test.Labels[row] ? 1.0 : 0
            );
    }
}
