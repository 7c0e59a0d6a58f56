using MlNetTransfer.Tests.Shared;

namespace MlNetTransfer.Tests.Jobs;

/// <summary>Files of lines that a run goes on with.</summary>
[TestClass]
public sealed class LedgerTests
{
    /// <summary>A line that was cut off by a kill is dropped, and what follows does not grow together with it.</summary>
    [TestMethod]
    [DataRow("")]
    [DataRow("{\"number\":")]
    [DataRow("{\"number\":7}")]
    public void Add_BehindALineThatWasCutOff_LeavesWholeLines(string torn)
    {
        using var folder = new TempFolder();
        string file = folder.File("lines.jsonl");
        var first = new Ledger<Line>(file, resume: true);
        first.Add(new Line(1));
        first.Add(new Line(2));
        File.AppendAllText(file, torn);
        new Ledger<Line>(file, resume: true).Add(new Line(3));
        CollectionAssert.AreEqual(
            new[] { 1, 2, 3 },
            new Ledger<Line>(file, resume: true).Lines.Select(line => line.Number).ToArray()
        );
        Assert.HasCount(3, File.ReadAllLines(file));
    }

    private sealed record Line(int Number);
}
