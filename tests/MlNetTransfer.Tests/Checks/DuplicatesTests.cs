using System.Security.Cryptography;
using MlNetTransfer.Checks;
using MlNetTransfer.Datasets;
using MlNetTransfer.Features;
using MlNetTransfer.Imaging;

namespace MlNetTransfer.Tests.Checks;

/// <summary>Images that are only facts: random hashes, of which some are made near or the same.</summary>
[TestClass]
public sealed class DuplicatesTests
{
    private const int Width = 16;

    [TestMethod]
    public void Find_TwentyThousandImages_FindsThePlantedPairsAndNoOther()
    {
        const int count = 20_000;
        var images = new Made(count);
        (int, int)[] pairs = [.. Enumerable.Range(0, 25).Select(i => (400 * i + 7, 13_000 + 100 * i))];
        foreach ((int one, int other) in pairs)
            images.MakeNear(other, one, bits: Duplicates.MostBits);
        // Bits as near, shades or features that are not.
        images.MakeNear(19_990, 19_991, bits: 2, shade: 60);
        images.MakeNear(19_992, 19_993, bits: 2, sameFeatures: false);
        images.MakeNear(19_994, 19_995, bits: Duplicates.MostBits + 1);
        CollectionAssert.AreEquivalent(
            pairs.Select(p => (FindingKind.NearDuplicate, p.Item2, p.Item1)).ToArray(),
            Find(images).Matches.Select(m => (m.Kind, m.Row, m.Other)).ToArray()
        );
    }

    [TestMethod]
    public void Find_SameBytesInClassesAndParts_SaysWhatFollowsAndTheHeldOutOneStays()
    {
        var images = new Made(8) { Parts = [.. Enumerable.Repeat(SplitPart.Train, 8)] };
        images.Parts[1] = SplitPart.Test;
        foreach (int row in (int[])[1, 2, 4])
            images.MakeSame(row, 0);
        images.Labels[4] = 1;
        Duplicates found = Find(images);
        CollectionAssert.AreEquivalent(
            new[]
            {
                (FindingKind.Leak, 0, 1),
                (FindingKind.Leak, 2, 1),
                (FindingKind.Leak, 4, 1),
                (FindingKind.LabelConflict, 4, 1),
            },
            found.Matches.Select(m => (m.Kind, m.Row, m.Other)).ToArray()
        );
        Assert.IsTrue(found.Matches.All(m => m.Exact));
        int[] together = found.Together;
        Assert.AreEqual(1, ((int[])[0, 1, 2, 4]).Select(row => together[row]).Distinct().Count());
        Assert.AreEqual(5, together.Distinct().Count());
    }

    [TestMethod]
    public void Find_NearShotsOfOneGroup_AreNoFinding()
    {
        var images = new Made(6);
        images.MakeNear(1, 0, bits: 1);
        images.MakeNear(3, 2, bits: 1);
        images.Groups[0] = images.Groups[1] = "burst";
        CollectionAssert.AreEqual(new[] { (3, 2) }, Find(images).Matches.Select(m => (m.Row, m.Other)).ToArray());
    }

    [TestMethod]
    public void Finding_Conflict_NamesTheLessLikelyFirst()
    {
        var images = new Made(4);
        images.MakeSame(1, 0);
        images.Labels[1] = 1;
        Match match = Find(images).Matches.Single();
        CollectionAssert.AreEqual(
            new[] { "00000", "00001" },
            match.Finding(images.Checked(), [0.1, 0.9, 1, 1]).Files.ToArray()
        );
        CollectionAssert.AreEqual(
            new[] { "00001", "00000" },
            match.Finding(images.Checked(), [0.9, 0.1, 1, 1]).Files.ToArray()
        );
    }

    private static Duplicates Find(Made images) =>
        Duplicates.Find(images.Checked(), new ImageLimits(), new ParallelOptions { MaxDegreeOfParallelism = 2 }, null);

    private sealed class Made
    {
        private readonly ulong[] hashes;
        private readonly byte[][] grey;
        private readonly byte[] digests;
        private readonly float[] features;

        public Made(int count)
        {
            var rng = new Random(1);
            (hashes, Labels, Groups) = (new ulong[count], new int[count], new string?[count]);
            (digests, features) = (new byte[32 * count], new float[Width * count]);
            for (int row = 0; row < count; row++)
            {
                // Of 200 million pairs about two are near by chance in their bits; their features are not.
                hashes[row] = (ulong)rng.NextInt64(long.MinValue, long.MaxValue);
                SHA256.HashData(BitConverter.GetBytes(row), digests.AsSpan(32 * row));
            }

            for (int i = 0; i < features.Length; i++)
                features[i] = (float)(rng.NextDouble() - 0.5);
            byte[] plain = [.. Enumerable.Repeat((byte)100, 1024)];
            grey = [.. Enumerable.Range(0, count).Select(_ => plain)];
            // Two classes, so that labels differ where a test says so.
            Labels[^1] = 1;
        }

        public int[] Labels { get; }

        public string?[] Groups { get; }

        public SplitPart[] Parts { get; init; } = [];

        public void MakeSame(int row, int other)
        {
            digests.AsSpan(32 * other, 32).CopyTo(digests.AsSpan(32 * row));
            MakeNear(row, other, 0);
        }

        public void MakeNear(int row, int other, int bits, byte shade = 104, bool sameFeatures = true)
        {
            hashes[row] = hashes[other] ^ ((1UL << bits) - 1);
            grey[row] = [.. Enumerable.Repeat(shade, 1024)];
            if (sameFeatures)
                features.AsSpan(Width * other, Width).CopyTo(features.AsSpan(Width * row));
        }

        public CheckedImages Checked()
        {
            var table = new FeatureTable(["a", "b"], Labels, features, Width);
            return new CheckedImages(
                [.. Labels.Select((label, row) => new DataItem("-", $"{row:d5}", label, Groups[row]))],
                table,
                ImagePoints.InPlace(table.Select([.. Enumerable.Range(0, table.Rows)])),
                digests,
                [
                    .. hashes.Select(
                        (hash, row) => new ImageFacts(100, 100, grey[row], hash, 0, 255, 1, (UInt128)(uint)row)
                    ),
                ],
                Parts.Length > 0 ? Parts : null
            );
        }
    }
}
