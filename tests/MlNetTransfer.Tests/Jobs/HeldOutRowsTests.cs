using MlNetTransfer.Backbones;
using MlNetTransfer.Datasets;
using MlNetTransfer.Features;
using MlNetTransfer.Jobs;

namespace MlNetTransfer.Tests.Jobs;

[TestClass]
public sealed class HeldOutRowsTests
{
    private static readonly TrainOptions Options = new()
    {
        Folder = "x",
        Output = "y",
        TestFraction = 0.5,
    };

    [TestMethod]
    public void Of_PremadeSplit_IsRespectedWhenImagesWereRejected()
    {
        Dataset data = Data([0, 1, 0, 1, 0, 1]) with
        {
            Splits =
            [
                SplitPart.Train,
                SplitPart.Train,
                SplitPart.Test,
                SplitPart.Test,
                SplitPart.Validation,
                SplitPart.Test,
            ],
        };
        TrainTestRows split = Split(data, [0, 1, 2, 4, 5]);
        CollectionAssert.AreEqual(new[] { 0, 1, 3 }, split.Train.ToArray());
        CollectionAssert.AreEqual(new[] { 2, 4 }, split.Test.ToArray());
        StringAssert.Contains(HeldOutRows.Notes(data).Single(), "train and validation parts, judged on its test part");
    }

    [TestMethod]
    public void Of_PremadeSplitWithoutTrainingImagesOfAClass_NamesIt()
    {
        Dataset data = Data([0, 1, 1]) with { Splits = [SplitPart.Train, SplitPart.Test, SplitPart.Test] };
        StringAssert.Contains(Assert.ThrowsExactly<TransferException>(() => Split(data, [0, 1, 2])).Message, "'dog'");
    }

    [TestMethod]
    public void Of_Groups_AreNotDivided()
    {
        Dataset data = Data([.. Enumerable.Range(0, 40).Select(i => i % 2)], i => $"{i % 2}-{i / 8}");
        TrainTestRows split = Split(data, [.. Enumerable.Range(0, 40)]);
        Assert.IsEmpty(
            split.Train.Select(r => data.Items[r].Group).Intersect(split.Test.Select(r => data.Items[r].Group))
        );
        Assert.IsTrue(
            split.Test.Count(r => r % 2 == 0) is 8 or 12,
            "5 groups of 4 a class; half of 20 is between two and three of them"
        );
    }

    [TestMethod]
    public void Of_DuplicatesTogether_AreNotDivided()
    {
        Dataset data = Data([.. Enumerable.Range(0, 40).Select(i => i % 2)]);
        byte[] Digest(int row) => [.. Enumerable.Repeat((byte)(row / 4 * 2 + row % 2), 32)];
        TrainTestRows split = Split(
            data,
            [.. Enumerable.Range(0, 40)],
            Options with
            {
                DuplicatesTogether = true,
            },
            Digest
        );
        Assert.IsEmpty(split.Train.Select(r => Digest(r)[0]).Intersect(split.Test.Select(r => Digest(r)[0])));
    }

    [TestMethod]
    public void WithoutUnassigned_ImagesOfNoPart_GoToTheLedger()
    {
        Dataset data = HeldOutRows.WithoutUnassigned(
            Data([0, 1, 0]) with
            {
                Splits = [SplitPart.Train, SplitPart.None, SplitPart.Test],
            }
        );
        CollectionAssert.AreEqual(new[] { "0", "2" }, data.Items.Select(i => i.Name).ToArray());
        CollectionAssert.AreEqual(new[] { SplitPart.Train, SplitPart.Test }, data.Splits!.ToArray());
        Assert.AreEqual("1", data.Rejected.Single().File);
    }

    private static Dataset Data(int[] labels, Func<int, string>? group = null) =>
        new(
            "data",
            ["cat", "dog"],
            [.. labels.Select((label, i) => new DataItem($"{i}", $"{i}", label, group?.Invoke(i)))],
            []
        );

    private static TrainTestRows Split(
        Dataset data,
        int[] accepted,
        TrainOptions? options = null,
        Func<int, byte[]>? digest = null
    )
    {
        digest ??= row => [.. Enumerable.Repeat((byte)row, 32)];
        var rows = new ItemRows
        {
            Accepted = accepted,
            Values = new float[accepted.Length],
            Width = 1,
            Digests = [.. accepted.SelectMany(digest)],
            Rejected = [],
            FromCache = 0,
            Elapsed = TimeSpan.Zero,
        };
        var table = new FeatureTable(data.ClassNames, [.. accepted.Select(i => data.Items[i].Label)], rows.Values, 1);
        return HeldOutRows.Of(data, rows, table, options ?? Options, 0.5);
    }
}
