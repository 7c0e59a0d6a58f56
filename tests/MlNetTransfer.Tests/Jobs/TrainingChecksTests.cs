using System.Security.Cryptography;
using MlNetTransfer.Backbones;
using MlNetTransfer.Checks;
using MlNetTransfer.Datasets;
using MlNetTransfer.Features;
using MlNetTransfer.Jobs;

namespace MlNetTransfer.Tests.Jobs;

/// <summary>Rows that are only numbers: clouds of points, of which some are made what the checks look for.</summary>
[TestClass]
public sealed class TrainingChecksTests
{
    private const int Width = 64;

    [TestMethod]
    public void Of_PlantedInASplit_AreFoundAndNothingElse()
    {
        var made = new Made(classes: 4, each: 50);
        // Every fifth row is held out.
        made.MakeNear(1, 0);
        made.MakeNear(53, 7);
        made.MakeNear(12, 11);
        made.MakeSame(20, 21);
        made.MakeFar(33);
        made.Say(100, 3, 0.0005f);
        TrainingChecks found = made.Check(folds: 0);
        CollectionAssert.AreEquivalent(
            new[]
            {
                (FindingKind.Leak, "00001"),
                (FindingKind.Leak, "00021"),
                (FindingKind.LabelConflict, "00053"),
                (FindingKind.LabelError, "00100"),
                (FindingKind.NearDuplicate, "00012"),
                (FindingKind.Outlier, "00033"),
            },
            found.Kept.Select(f => (f.Kind, f.Files[0])).ToArray(),
            string.Join(", ", found.Kept)
        );
        string[] notes = [.. found.Notes()];
        Assert.HasCount(5, notes, string.Join('\n', notes));
        Assert.IsTrue(notes.All(note => !note.Contains('\n')));
        // That of the equal bytes has a note already, see DuplicateNotes.
        Assert.IsFalse(notes.Any(note => note.Contains("00021", StringComparison.Ordinal)));
        StringAssert.Contains(notes[0], "1 image is nearly the same as one in the other part");
        StringAssert.Contains(notes[2], "1 image may carry the wrong label: look at it first (00100).");
    }

    /// <summary>With folds nothing is on two sides, and a class that lies in one fold was not known to its model.</summary>
    [TestMethod]
    public void Of_Folds_JudgesWhatTheModelKnew()
    {
        var made = new Made(classes: 4, each: 20);
        made.MakeNear(1, 0);
        for (int row = 60; row < 80; row++)
            made.Say(row, 0, 0.0001f);
        made.Say(5, 1, 0.0001f);
        TrainingChecks found = made.Check(folds: 5, together: 3);
        CollectionAssert.AreEquivalent(
            new[] { (FindingKind.LabelError, "00005"), (FindingKind.NearDuplicate, "00001") },
            found.Kept.Select(f => (f.Kind, f.Files[0])).ToArray()
        );
    }

    [TestMethod]
    public void Kept_OfManyFindings_HasSomeOfEveryKind()
    {
        var made = new Made(classes: 100, each: 8);
        for (int row = 0; row < 800; row += 2)
            made.MakeSame(row, row + 1);
        for (int row = 1; row < 400; row += 8)
            made.Say(row, (row / 8 + 1) % 100, 0.00001f);
        TrainingChecks found = made.Check(folds: 2);
        Assert.AreEqual(400, found.Counts[FindingKind.Duplicate]);
        Assert.AreEqual(50, found.Counts[FindingKind.LabelError]);
        Assert.HasCount(TrainingChecks.MostStored, found.Kept);
        Assert.AreEqual(50, found.Kept.Count(f => f.Kind == FindingKind.LabelError));
        // Copies give way to the others, of which there are few.
        int others = found.Counts.Where(kind => kind.Key != FindingKind.Duplicate).Sum(kind => kind.Value);
        Assert.AreEqual(TrainingChecks.MostStored - others, found.Kept.Count(f => f.Kind == FindingKind.Duplicate));
        Assert.HasCount(found.Counts.Count, found.Notes().ToArray());
    }

    [TestMethod]
    public void Of_ImagesAllTheSame_IsOneNote()
    {
        var made = new Made(classes: 2, each: 30);
        for (int row = 1; row < 60; row++)
            made.MakeSame(row, 0, noise: false);
        TrainingChecks found = made.Check(folds: 3);
        Assert.AreEqual(58, found.Counts[FindingKind.Duplicate] + found.Counts[FindingKind.LabelConflict] - 1);
        Assert.HasCount(1, found.Notes().ToArray(), "that they are in two classes is said by DuplicateNotes");
    }

    [TestMethod]
    public void Of_VeryManyImages_ComparesSomeAndSaysSo()
    {
        var made = new Made(classes: 10, each: 2500);
        made.Say(17, 3, 0.0001f);
        TrainingChecks found = made.Check(folds: 5);
        Assert.AreEqual(1, found.Counts[FindingKind.LabelError], "labels of all are judged");
        StringAssert.Contains(found.Notes().Last(), "10000 of 25000 images were compared");
    }

    private sealed class Made
    {
        private readonly int classes;
        private readonly int[] labels;
        private readonly float[] features,
            said;
        private readonly byte[] digests;
        private readonly Random rng = new(1);

        public Made(int classes, int each)
        {
            this.classes = classes;
            labels = [.. Enumerable.Range(0, classes * each).Select(row => row / each)];
            (features, digests) = (new float[labels.Length * Width], new byte[32 * labels.Length]);
            said = new float[labels.Length * classes];
            float[] centres = [.. Enumerable.Range(0, classes * Width).Select(_ => (float)(rng.NextDouble() - 0.5))];
            for (int row = 0; row < labels.Length; row++)
            {
                SHA256.HashData(BitConverter.GetBytes(row), digests.AsSpan(32 * row));
                for (int i = 0; i < Width; i++)
                    features[row * Width + i] = centres[labels[row] * Width + i] + (float)(rng.NextDouble() - 0.5);
                Say(row, labels[row], 0.9f);
            }
        }

        /// <summary>What a model that had not seen a row says: its own class at a probability, another at most of the
        /// rest.</summary>
        public void Say(int row, int other, float own)
        {
            Span<float> row1 = said.AsSpan(row * classes, classes);
            row1.Fill((1 - own) / (classes - 1));
            row1[labels[row]] = own;
            if (other == labels[row])
                return;
            row1.Fill(own);
            row1[other] = 1 - own * (classes - 1);
        }

        public void MakeNear(int row, int other)
        {
            for (int i = 0; i < Width; i++)
                features[row * Width + i] = features[other * Width + i] + (float)(0.05 * (rng.NextDouble() - 0.5));
        }

        public void MakeSame(int row, int other, bool noise = true)
        {
            digests.AsSpan(32 * other, 32).CopyTo(digests.AsSpan(32 * row));
            MakeNear(row, other);
            if (!noise)
                features.AsSpan(other * Width, Width).CopyTo(features.AsSpan(row * Width));
        }

        public void MakeFar(int row)
        {
            for (int i = 0; i < Width; i++)
                features[row * Width + i] = (float)(6 * (rng.NextDouble() - 0.5));
        }

        /// <param name="folds">Folds in turn; 0 for every fifth row held out.</param>
        /// <param name="together">A class whose rows are in the first fold; -1 for none.</param>
        public TrainingChecks Check(int folds, int together = -1)
        {
            string[] names = [.. Enumerable.Range(0, classes).Select(c => $"class{c}")];
            int[] all = [.. Enumerable.Range(0, labels.Length)],
                test = folds > 0 ? all : [.. all.Where(row => row % 5 == 0)];
            var data = new Dataset(
                "made",
                names,
                [.. labels.Select((label, row) => new DataItem("-", $"{row:d5}", label))],
                []
            );
            var rows = new ItemRows
            {
                Accepted = all,
                Values = features,
                Width = Width,
                Digests = digests,
                Rejected = [],
                FromCache = 0,
                Elapsed = TimeSpan.Zero,
            };
            var table = new FeatureTable(names, labels, features, Width);
            var trial = new Trial(
                null!,
                folds > 0 ? all : [.. all.Where(row => row % 5 != 0)],
                test,
                null,
                null,
                [.. Enumerable.Repeat(1.0, folds)]
            )
            {
                Probabilities = test.SelectMany(row => said[(row * classes)..((row + 1) * classes)]).ToArray(),
                Folds = folds > 0 ? [.. all.Select(row => labels[row] == together ? 0 : row % folds)] : (int[])[],
            };
            return TrainingChecks.Of(new TrainingSet(data, rows, table, null!, null!), trial, false, 2, default);
        }
    }
}
