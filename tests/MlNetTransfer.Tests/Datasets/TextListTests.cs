using System.Text;
using MlNetTransfer.Datasets;
using MlNetTransfer.Tests.Shared;

namespace MlNetTransfer.Tests.Datasets;

/// <summary>Lists whose rows are texts: no files, each row an item called by its line.</summary>
[TestClass]
public sealed class TextListTests
{
    private static readonly DatasetOptions Reading = new() { TextColumn = "Body", LabelColumn = "topic" };

    [TestMethod]
    [DataRow("list.csv", "topic,Body,group,split\na,\"one, two\r\nthree\",g,train\nb,\"say \"\"hi\"\"\",,test\n")]
    [DataRow(
        "list.tsv",
        "topic\tbody\tgroup\tsplit\na\t\"one, two\r\nthree\"\tg\ttrain\nb\t\"say \"\"hi\"\"\"\t\ttest\n"
    )]
    [DataRow(
        "list.jsonl",
        "{\"topic\":\"a\",\"body\":\"one, two\\r\\nthree\",\"group\":\"g\",\"split\":\"train\"}\n"
            + "{\"topic\":\"b\",\"body\":\"say \\\"hi\\\"\",\"split\":\"test\"}\n"
    )]
    public void Read_ListOfTexts_GivesItemsInItsOrder(string name, string content)
    {
        using var folder = new TempFolder();
        Dataset data = DatasetReader.Read(folder.Write(name, Encoding.UTF8.GetBytes(content)), Reading);
        CollectionAssert.AreEqual(new[] { "a", "b" }, data.ClassNames.ToArray());
        CollectionAssert.AreEqual(
            new[] { "one, two\r\nthree", "say \"hi\"" },
            data.Items.Select(i => ((TextLocation)i.Location).Text).ToArray()
        );
        Assert.AreEqual("g", data.Items[0].Group);
        CollectionAssert.AreEqual(new[] { SplitPart.Train, SplitPart.Test }, data.Splits!.ToArray());
        using var reader = new ItemReader();
        Assert.AreEqual("one, two\r\nthree", Encoding.UTF8.GetString(reader.Read(data.Items[0])));
    }

    [TestMethod]
    public void Read_EmptyTexts_StandInTheLedgerByTheirLine()
    {
        using var folder = new TempFolder();
        string list = folder.Write("list.csv", "body,topic\nx,b\n  ,b\n,a\ny,a\nx,b\n"u8.ToArray());
        Dataset data = DatasetReader.Read(list, Reading);
        CollectionAssert.AreEqual(
            new[]
            {
                new RejectedItem("line 3", "the text is empty"),
                new RejectedItem("line 4", "the text is empty"),
            },
            data.Rejected.ToArray()
        );
        CollectionAssert.AreEqual(new[] { "line 2", "line 5", "line 6" }, data.Items.Select(i => i.Name).ToArray());
        CollectionAssert.AreEqual(new[] { 1, 0, 1 }, data.Items.Select(i => i.Label).ToArray());
    }

    [TestMethod]
    [DataRow("text,topic\nx,a\n", "no column 'Body'. Found: text, topic. It was asked for with --text-column.")]
    [DataRow("body,topic\nx,\n", "line 2, column 'topic': the label is empty; expected the class of 'x'")]
    [DataRow("body,topic\nx,a\n", "A classifier needs texts of at least two classes.")]
    [DataRow("body,topic\n ,a\nx,b\n", "has no text of class 'a' that can be used")]
    [DataRow("body,topic\n", "lists no texts.")]
    public void Read_ListWithAFault_SaysWhatAndWhere(string content, string message)
    {
        using var folder = new TempFolder();
        string list = folder.Write("list.csv", Encoding.UTF8.GetBytes(content));
        StringAssert.Contains(
            Assert.ThrowsExactly<TransferException>(() => DatasetReader.Read(list, Reading)).Message,
            message
        );
    }

    [TestMethod]
    public void Read_TextColumnOfAFolder_SaysThatListsHaveColumns()
    {
        using var folder = new TempFolder();
        TransferException error = Assert.ThrowsExactly<TransferException>(() =>
            DatasetReader.Read(folder.Path, Reading)
        );
        StringAssert.Contains(error.Message, "is no list, so it has no column 'Body' of texts");
    }

    [TestMethod]
    public void ReadUnlabelled_ListOfTexts_NeedsNoLabels()
    {
        using var folder = new TempFolder();
        string list = folder.Write("list.csv", "id,body\n7,x\n8,y\n"u8.ToArray());
        Dataset data = DatasetReader.ReadUnlabelled(list, Reading);
        Assert.HasCount(2, data.Items);
        Assert.IsEmpty(data.ClassNames);
    }
}
