using System.Security.Cryptography;
using System.Text;
using MlNetTransfer.Backbones;
using MlNetTransfer.Datasets;
using MlNetTransfer.Training;

namespace MlNetTransfer.Tests.Datasets;

/// <summary>
/// The invariant: listing the same images in another order, or numbering classes and groups otherwise, holds the same
/// images out.
/// </summary>
[TestClass]
public sealed class DrawOrderTests
{
    private static readonly string[] Names = ["Zebra", "ape", "\u00E9mu", "cat", "b"];

    /// <summary>
    /// Images of five classes, each there twice, in groups of other company; one stands in two classes.
    /// </summary>
    private sealed record Listing(string[] Content, string[] Class, string[] Group)
    {
        public static Listing Make()
        {
            string[] content = [.. Enumerable.Range(0, 90).Select(i => $"image {(i == 31 ? 10 : i % 45)}")];
            return new Listing(
                content,
                [.. content.Select((_, i) => Names[i % 5])],
                [.. content.Select((_, i) => $"{(i < 45 ? i : i + 10) / 3}")]
            );
        }

        public Listing Permuted(int seed)
        {
            int[] order = [.. Enumerable.Range(0, Content.Length)];
            new Rng(seed).Shuffle<int>(order);
            return new Listing(
                [.. order.Select(i => Content[i])],
                [.. order.Select(i => Class[i])],
                [.. order.Select(i => Group[i])]
            );
        }

        public byte[] Digests => [.. Content.SelectMany(c => SHA256.HashData(Encoding.UTF8.GetBytes(c)))];

        public int[] Labels(string[] classes) => [.. Class.Select(c => Array.IndexOf(classes, c))];

        public int[] Groups(int seed) =>
            [.. Group.Select(g => (int.Parse(g, System.Globalization.CultureInfo.InvariantCulture) * 37 + seed) % 101)];

        /// <summary>The images of some rows by content and class, which is all that a model can know of them.</summary>
        public string Images(IEnumerable<int> rows) =>
            string.Join('\n', rows.Select(r => $"{Class[r]}: {Content[r]}").Order(StringComparer.Ordinal));
    }

    [TestMethod]
    [DataRow(false)]
    [DataRow(true)]
    public void TrainTest_OtherOrderAndNumbers_HoldsTheSameImagesOut(bool grouped)
    {
        string[] held = [.. Variants().Select(v => v.Images.Images(Split(v.Images, v.Classes, v.Seed).Test))];
        Assert.AreEqual(1, held.Distinct().Count(), string.Join("\n\n", held.Distinct()));

        TrainTestRows Split(Listing images, string[] classes, int seed) =>
            grouped
                ? StratifiedSplit.TrainTest(
                    images.Labels(classes),
                    images.Groups(seed),
                    0.25,
                    7,
                    classes,
                    images.Digests
                )
                : StratifiedSplit.TrainTest(images.Labels(classes), 0.25, 7, classes, images.Digests);
    }

    [TestMethod]
    [DataRow(false)]
    [DataRow(true)]
    public void Assign_OtherOrderAndNumbers_GivesTheSameFolds(bool grouped)
    {
        string[] found = [.. Variants().Select(v => Folds(v.Images, v.Classes, v.Seed))];
        Assert.AreEqual(1, found.Distinct().Count(), string.Join("\n\n", found.Distinct()));

        string Folds(Listing images, string[] classes, int seed)
        {
            int[] fold = grouped
                ? StratifiedFolds.Assign(images.Labels(classes), images.Groups(seed), 4, 7, classes, images.Digests)
                : StratifiedFolds.Assign(images.Labels(classes), 4, 7, classes, images.Digests);
            return string.Join(
                "\n--\n",
                Enumerable
                    .Range(0, 4)
                    .Select(f => images.Images(Enumerable.Range(0, fold.Length).Where(r => fold[r] == f)))
            );
        }
    }

    [TestMethod]
    [DataRow(false, 0.2)]
    [DataRow(true, 0.2)]
    [DataRow(true, 0.9)]
    public void Of_ValidationOfOtherOrderAndNumbers_SetsTheSameImagesAside(bool grouped, double fraction)
    {
        string[] held = [.. Variants().Select(v => v.Images.Images(Rows(v.Images, v.Classes, v.Seed)))];
        Assert.AreEqual(1, held.Distinct().Count(), string.Join("\n\n", held.Distinct()));
        Assert.AreNotEqual("", held[0]);

        IReadOnlyList<int> Rows(Listing images, string[] classes, int seed)
        {
            var all = new TrainingImages(
                [],
                images.Labels(classes),
                images.Digests,
                classes,
                grouped ? images.Groups(seed) : null
            );
            return ValidationRows.Of(all, [.. Enumerable.Range(0, images.Content.Length)], fraction, 3).Test;
        }
    }

    [TestMethod]
    public void TrainTest_AnotherClassGrows_LeavesTheDrawOfAClassAlone()
    {
        Listing few = Listing.Make();
        string[] more = [.. Enumerable.Range(0, 30).Select(i => $"new {i}")];
        Listing many = new(
            [.. more, .. few.Content],
            [.. more.Select(_ => "ape"), .. few.Class],
            [.. more.Select(_ => "x"), .. few.Group]
        );
        Assert.AreEqual(Cats(few), Cats(many));

        static string Cats(Listing images) =>
            images.Images(
                StratifiedSplit
                    .TrainTest(images.Labels(Names), 0.25, 7, Names, images.Digests)
                    .Test.Where(r => images.Class[r] == "cat")
            );
    }

    [TestMethod]
    public void TrainTest_TooFewDigestsOrNames_AreRefused()
    {
        StringAssert.Contains(
            Refused(() => StratifiedSplit.TrainTest([0, 1], 0.5, 1, null, new byte[32])),
            "32 bytes of digests cannot belong to 2 rows"
        );
        StringAssert.Contains(Refused(() => StratifiedSplit.TrainTest([0, 1], 0.5, 1, ["cat"])), "Label 1 has no name");

        static string Refused(Action draw) => Assert.ThrowsExactly<ArgumentException>(draw).Message;
    }

    [TestMethod]
    public void Sort_AnyOrder_MovesEveryPartOfARow()
    {
        int[] order = [.. Enumerable.Range(0, 50)];
        new Rng(5).Shuffle<int>(order);
        var rows = new ItemRows
        {
            Accepted = [.. Enumerable.Range(0, 50).Select(i => 10 * i)],
            Values = [.. Enumerable.Range(0, 150).Select(i => (float)i)],
            Width = 3,
            Digests = [.. Enumerable.Range(0, 50 * 32).Select(i => (byte)(i / 32))],
            Rejected = [],
            FromCache = 0,
            Elapsed = TimeSpan.Zero,
        };
        rows.Sort(order);
        for (int i = 0; i < 50; i++)
        {
            Assert.AreEqual(10 * order[i], rows.Accepted[i]);
            CollectionAssert.AreEqual(
                new[] { 3f * order[i], 3f * order[i] + 1, 3f * order[i] + 2 },
                rows.Row(i).ToArray()
            );
            Assert.IsTrue(rows.Digests.AsSpan(32 * i, 32).IndexOfAnyExcept((byte)order[i]) < 0);
        }
    }

    private static IEnumerable<(Listing Images, string[] Classes, int Seed)> Variants()
    {
        yield return (Listing.Make(), Names, 0);
        for (int seed = 1; seed < 6; seed++)
        {
            string[] classes = [.. Names];
            new Rng(seed).Shuffle<string>(classes);
            yield return (Listing.Make().Permuted(seed), classes, seed);
        }
    }
}
