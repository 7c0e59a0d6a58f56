using System.Text.Json;
using MlNetTransfer.Datasets;
using MlNetTransfer.Tests.Shared;

namespace MlNetTransfer.Tests.Datasets;

[TestClass]
public sealed class LookAlikesTests
{
    [TestMethod]
    [DataRow("caf\u00E9", "cafe\u0301", "U+00E9", "U+0065 U+0301")]
    [DataRow("\uD55C\uAE00", "\u1112\u1161\u11AB\uAE00", "U+D55C", "U+1112 U+1161 U+11AB")]
    [DataRow("l\u1EC7t", "le\u0302\u0323t", "U+1EC7", "U+0065 U+0302 U+0323")]
    [DataRow("\u212B", "\u00C5", "U+212B", "U+00C5")]
    [DataRow("big cat", "big\u00A0cat", "U+0020", "U+00A0")]
    [DataRow("big cat", "big  cat", "nothing", "U+0020")]
    [DataRow("cat", "c\u200Bat", "nothing", "U+200B")]
    [DataRow("cat", "cat\uFEFF", "nothing", "U+FEFF")]
    [DataRow("\u2764", "\u2764\uFE0F", "nothing", "U+FE0F")]
    [DataRow("AB", "\uFF21\uFF22", "U+0041 U+0042", "U+FF21 U+FF22")]
    public void Read_LabelsThatLookTheSame_AreNamedWithTheirCodePoints(
        string one,
        string other,
        string point,
        string otherPoint
    )
    {
        using var folder = new TempFolder();
        foreach (string name in (string[])[one, other])
            folder.Write($"data/{name}/1.png", [1]);
        foreach (string name in (string[])["1.png", "2.png"])
            folder.Write(name, [1]);
        string list = folder.Write(
            "x.jsonl",
            System.Text.Encoding.UTF8.GetBytes(
                $"{JsonSerializer.Serialize(new { path = "1.png", label = one })}\n{JsonSerializer.Serialize(new { path = "2.png", label = other })}\n"
            )
        );
        foreach (string source in (string[])[folder.File("data"), list])
        {
            string message = Assert.ThrowsExactly<TransferException>(() => DatasetReader.Read(source)).Message;
            foreach (
                string expected in (string[])
                    ["look the same", $"'{one}' with {point} ", $"'{other}' with {otherPoint} "]
            )
                StringAssert.Contains(message, expected);
        }
    }

    [TestMethod]
    [DataRow("resume", "resum\u00E9")]
    [DataRow("cat", "c a t")]
    [DataRow("a\u0301b", "ab\u0301")]
    [DataRow("\u0430", "a")]
    public void Find_NamesThatDiffer_AreLeftAlone(string one, string other) =>
        Assert.IsNull(LookAlikes.Find([one, other]));

    [TestMethod]
    public void Read_BlanksAroundLabels_DoNotCountInFoldersEither()
    {
        using var folder = new TempFolder();
        foreach (string name in (string[])["cat/1.png", " cat\u00A0/2.png", "dog /3.png"])
            folder.Write(name, [1]);
        Dataset data = DatasetReader.Read(folder.Path);
        CollectionAssert.AreEqual(new[] { "cat", "dog" }, data.ClassNames.ToArray());
        CollectionAssert.AreEquivalent(
            new[] { "cat/1.png 0", " cat\u00A0/2.png 0", "dog /3.png 1" },
            data.Items.Select(i => $"{i.Name} {i.Label}").ToArray()
        );
        folder.Write(" /4.png", [1]);
        StringAssert.Contains(
            Assert.ThrowsExactly<TransferException>(() => DatasetReader.Read(folder.Path)).Message,
            "blank"
        );
    }

    [TestMethod]
    public void Read_SplitWhosePartsWriteAClassDifferently_ShowsTheCodePoints()
    {
        using var folder = new TempFolder();
        foreach (string name in (string[])["train/caf\u00E9/1", "train/bar/1", "test/cafe\u0301/1", "test/bar/1"])
            folder.Write(name, [1]);
        StringAssert.Contains(
            Assert.ThrowsExactly<TransferException>(() => DatasetReader.Read(folder.Path)).Message,
            "U+0065 U+0301"
        );
    }

    /// <summary>
    /// Oracle: Python's unicodedata. Two characters look the same if their canonical decompositions are the same.
    /// </summary>
    [TestMethod]
    public void Skeleton_EveryComposedCharacter_IsThatOfItsDecomposition()
    {
        Python.Require("unicodedata");
        string[] lines = Python
            .Run(
                """
                import unicodedata
                for cp in range(0x80, 0x10000):
                    c = chr(cp)
                    if 0xD800 <= cp < 0xE000: continue
                    d = unicodedata.normalize('NFD', c)
                    if d != c and max(d) < '\U00010000': print('%04X' % cp, ' '.join('%04X' % ord(x) for x in d))
                """
            )
            .Split('\n', StringSplitOptions.RemoveEmptyEntries);
        Assert.IsGreaterThan(12_000, lines.Length, "11,172 syllables and about 2,000 others");
        foreach (string line in lines)
        {
            string[] points = line.Split(' ');
            string composed = Text(points[..1]),
                decomposed = Text(points[1..]);
            Assert.AreEqual(LookAlikes.Skeleton("x" + decomposed), LookAlikes.Skeleton("x" + composed), line);
        }

        static string Text(string[] points) => string.Concat(points.Select(p => (char)Convert.ToInt32(p, 16)));
    }
}
