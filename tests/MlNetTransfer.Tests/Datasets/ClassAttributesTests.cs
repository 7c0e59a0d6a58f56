using MlNetTransfer.Datasets;
using MlNetTransfer.Tests.Shared;

namespace MlNetTransfer.Tests.Datasets;

[TestClass]
public sealed class ClassAttributesTests : IDisposable
{
    private readonly TempFolder folder = new();

    public void Dispose() => folder.Dispose();

    [TestMethod]
    [DataRow("kind,wings,length\nbird,yes,0.2\nplane,TRUE,30\ncar, no ,4\n")]
    [DataRow("kind;wings;length\nbird;1;0.2\nplane;1.0;3e1\ncar;false;4\n")]
    [DataRow("kind\twings\t\"length\"\nbird\tyes\t0.2\n\nplane\tyes\t30\n\"car\"\tno\t4\n")]
    public void Read_TheUsualForms_AreTheSame(string text)
    {
        ClassAttributes read = Read(text);
        CollectionAssert.AreEqual(new[] { "bird", "plane", "car" }, read.Classes.ToArray());
        CollectionAssert.AreEqual(new[] { "wings", "length" }, read.Names.ToArray());
        CollectionAssert.AreEqual(new[] { 1.0, 30 }, read.Of(1).ToArray());
        CollectionAssert.AreEqual(new[] { 0.0, 4 }, read.Of(2).ToArray());
    }

    /// <summary>Standardised over the classes, each class of length 1.</summary>
    [TestMethod]
    public void Directions_OfThreeClasses_AreWhatOneCalculates()
    {
        double[][] found = [.. Read("k,a,b\nx,0,2\ny,1,0\nz,2,1\n").Directions];
        double deviation = Math.Sqrt(2.0 / 3),
            side = 1 / deviation;
        Assert.AreEqual(-side / Math.Sqrt(2 * side * side), found[0][0], 1e-12);
        Assert.AreEqual(side / Math.Sqrt(2 * side * side), found[0][1], 1e-12);
        Assert.AreEqual(0, found[1][0], 1e-12);
        Assert.AreEqual(-1, found[1][1], 1e-12);
        Assert.AreEqual(1, found[2][0], 1e-12);
    }

    [TestMethod]
    [DataRow("", "it has 0 bytes")]
    [DataRow("\n", "is empty")]
    [DataRow("kind,a\nx,1\n", "classes: 1, attributes: 1")]
    [DataRow("kind\nx\ny\n", "classes: 2, attributes: 0")]
    [DataRow("kind,a\nx,1\ny,maybe\n", "line 3: 'a' is 'maybe'; a number such as 0.5, yes or no is expected")]
    [DataRow("kind,a\nx,1\ny,NaN\n", "'a' is 'NaN'")]
    [DataRow("kind,a\nx,1\ny,\n", "line 3: 'a' is ''")]
    [DataRow("kind,a\nx,1\n,2\n", "line 3: the class has no name")]
    [DataRow("kind,a\nx,1\nx,2\n", "has 'x' twice")]
    [DataRow("kind,a\nfox,1\n\uff46ox,2\n", "look alike")]
    [DataRow("kind,a,b\nx,1,1\ny,1,2\n", "says the same of every class in 'a'")]
    [DataRow("kind,a\nx,1\ny,2\nz,1\n", "does not tell 'x' from 'z'")]
    [DataRow("kind,a\nx,1\ny,2\nz,3\n", "says of 'y' what is the mean of all classes")]
    [DataRow("kind,a\nx,1\ny,2\nz,4\nw,5\n", "does not tell 'x' from 'y'")]
    [DataRow("kind,a\nx,1e308\ny,1e308\nz,1e308\n", "says the same of every class in 'a'")]
    [DataRow("kind,a,a\nx,1,2\ny,2,3\n", "has 'a' twice")]
    [DataRow("kind,\nx,1\ny,2\n", "without a name")]
    [DataRow("kind,a\nx,1\ny,2,3\n", "line 3: 3 fields, expected 2")]
    public void Read_WhatIsNotLikeThat_SaysWhereAndWhat(string text, string expected) =>
        StringAssert.Contains(Assert.ThrowsExactly<TransferException>(() => Read(text)).Message, expected);

    [TestMethod]
    public void Read_NoFile_SaysSo() =>
        StringAssert.Contains(
            Assert.ThrowsExactly<TransferException>(() => ClassAttributes.Read(folder.File("none.csv"))).Message,
            "does not exist"
        );

    [TestMethod]
    public void Read_HugeAndTinyNumbers_AreStandardised()
    {
        foreach (string size in (string[])["e308", "e-300"])
        foreach (double[] direction in Read($"k,a,b\nx,1{size},0\ny,1.5{size},1\nz,0,0.2\n").Directions)
            Assert.AreEqual(1, direction.Sum(value => value * value), 1e-9);
        Assert.ThrowsExactly<TransferException>(() =>
            new ClassAttributes(
                "s",
                ["x", "y"],
                ["a"],
                [
                    [1],
                    [double.NaN],
                ]
            )
        );
    }

    /// <summary>A name with commas does not make a file of tabs one of commas.</summary>
    [TestMethod]
    public void Read_Tabs_AreThoseOfTheName()
    {
        File.WriteAllText(folder.File("kinds.tsv"), "kind\t\"wings, fins, legs\"\nx\t1\ny\t2\n");
        Assert.AreEqual("wings, fins, legs", ClassAttributes.Read(folder.File("kinds.tsv")).Names.Single());
    }

    private ClassAttributes Read(string text)
    {
        File.WriteAllText(folder.File("kinds.csv"), text);
        return ClassAttributes.Read(folder.File("kinds.csv"));
    }
}
