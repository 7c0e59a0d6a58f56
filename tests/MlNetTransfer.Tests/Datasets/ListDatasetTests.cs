using System.Text;
using MlNetTransfer.Datasets;
using MlNetTransfer.Tests.Shared;

namespace MlNetTransfer.Tests.Datasets;

[TestClass]
public sealed class ListDatasetTests : IDisposable
{
    private readonly TempFolder folder = new();

    public ListDatasetTests()
    {
        foreach (string name in (string[])["a.png", "b.png", "sub/c, \"d\".png", "sub/ü\u3042.png"])
            folder.Write(name, [1]);
    }

    public void Dispose() => folder.Dispose();

    [TestMethod]
    [DataRow("\n", false)]
    [DataRow("\r\n", true)]
    public void Read_CsvWithEveryColumn_QuotesBomAndLineEnds(string end, bool bom)
    {
        string text =
            string.Join(
                end,
                "Split,LABEL, Group ,path",
                "train,cat,g1,a.png",
                "TEST,\"dog, big\",,b.png",
                "",
                "val,cat,g2,\"sub/c, \"\"d\"\".png\"",
                "train,\"dog, big\",g1,sub/ü\u3042.png"
            ) + end;
        Dataset data = DatasetReader.Read(Write("x.csv", text, new UTF8Encoding(bom)));
        CollectionAssert.AreEqual(new[] { "cat", "dog, big" }, data.ClassNames.ToArray());
        CollectionAssert.AreEqual(
            new[] { "a.png", "b.png", "sub/c, \"d\".png", "sub/ü\u3042.png" },
            data.Items.Select(i => i.Name).ToArray()
        );
        CollectionAssert.AreEqual(new[] { 0, 1, 0, 1 }, data.Items.Select(i => i.Label).ToArray());
        CollectionAssert.AreEqual(new[] { "g1", null, "g2", "g1" }, data.Items.Select(i => i.Group).ToArray());
        CollectionAssert.AreEqual(
            new[] { SplitPart.Train, SplitPart.Test, SplitPart.Validation, SplitPart.Train },
            data.Splits!.ToArray()
        );
        Assert.IsTrue(data.Items.All(i => File.Exists(((FileLocation)i.Location).Path)));
    }

    [TestMethod]
    public void Read_TsvAndUtf16_Work()
    {
        Assert.HasCount(2, DatasetReader.Read(Write("x.tsv", "path\tlabel\na.png\tcat\nb.png\tdog, or wolf\n")).Items);
        Assert.HasCount(
            2,
            DatasetReader.Read(Write("y.csv", "path,label\na.png,cat\nb.png,dog\n", Encoding.Unicode)).Items
        );
    }

    [TestMethod]
    public void Read_AbsolutePaths_AreAllowed() =>
        Assert.HasCount(
            2,
            DatasetReader.Read(Write("deep/x.csv", $"path,label\n{folder.File("a.png")},cat\n../b.png,dog\n")).Items
        );

    [TestMethod]
    public void Read_JsonLines_TheSameFields()
    {
        Dataset data = DatasetReader.Read(
            Write(
                "x.jsonl",
                "{\"path\":\"a.png\",\"Label\":\"cat\",\"group\":7}\r\n\n{\"label\":\"dog\\u0021\",\"path\":\"b.png\",\"group\":null}"
            )
        );
        CollectionAssert.AreEqual(new[] { "cat", "dog!" }, data.ClassNames.ToArray());
        CollectionAssert.AreEqual(new[] { "7", null }, data.Items.Select(i => i.Group).ToArray());
        Assert.IsNull(data.Splits);
        Assert.HasCount(
            2,
            DatasetReader
                .Read(Write("x.ndjson", "{\"path\":\"a.png\",\"label\":1}\n{\"path\":\"b.png\",\"label\":2}\n"))
                .Items
        );
    }

    [TestMethod]
    public void Read_NewlineInsideQuotes_IsPartOfTheFieldAndLinesAreCounted()
    {
        if (!OperatingSystem.IsWindows())
            folder.Write("new\nline.png", [1]);
        string list = Write(
            "x.csv",
            "path,label,group\na.png,cat,\"g\n1\n\"\n\"new\nline.png\",cat,g2\nb.png,dog,g3\nb.png,,g3\n"
        );
        Fails(list, "line 8", "label is empty");
        Dataset data = DatasetReader.Read(
            Write("x.csv", "path,label,group\n\"new\nline.png\",cat,g2\na.png,cat,\"g\n1\"\nb.png,dog,g3\n")
        );
        if (!OperatingSystem.IsWindows())
            CollectionAssert.AreEqual(
                new[] { "a.png", "b.png", "new\nline.png" },
                data.Items.Select(i => i.Name).ToArray()
            );
        Assert.AreEqual("g\n1", data.Items[0].Group);
    }

    [TestMethod]
    public void Read_MissingAndDoubleImages_AreInTheLedgerWithTheirLines()
    {
        Dataset data = DatasetReader.Read(
            Write("x.csv", "path,label\na.png,cat\nno.png,cat\n./a.png,cat\nsub,cat\nb.png,dog\nsub\\x.png,dog\n")
        );
        Assert.HasCount(2, data.Items);
        string[] reasons = [.. data.Rejected.Select(r => r.Reason)];
        CollectionAssert.AreEqual(
            new[] { "no.png", "./a.png", "sub", "sub\\x.png" },
            data.Rejected.Select(r => r.File).ToArray()
        );
        StringAssert.StartsWith(reasons[0], "line 3: the file does not exist");
        StringAssert.StartsWith(reasons[1], "line 4: is listed on line 2 already");
        StringAssert.StartsWith(reasons[2], "line 5: is a folder");
        if (!OperatingSystem.IsWindows())
            StringAssert.Contains(reasons[3], "backslashes");
    }

    [TestMethod]
    [DataRow("path,label\na.png,cat\nb.png,dog\n./a.png,dog\n", "two labels", "line 2", "line 4", "'cat'", "'dog'")]
    [DataRow("path,label,split\na.png,cat,train\nb.png,dog,train\na.png,cat,test\n", "two splits", "line 2", "line 4")]
    [DataRow("path,label,group\na.png,cat,1\nb.png,dog,2\na.png,cat,3\n", "two groups", "line 2", "line 4")]
    [DataRow("path,label,split,group\na.png,cat,train,p1\nb.png,dog,test,p1\n", "group 'p1'", "line 2", "line 3")]
    [DataRow("path,label\na.png,\nb.png,dog\n", "line 2", "label is empty")]
    [DataRow("path,label\n,cat\nb.png,dog\n", "line 2", "path is empty")]
    [DataRow("path,label\na.png,\"c\nat\"\nb.png,dog\n", "line 2, column 'label'", "line break")]
    [DataRow("path,label,split\na.png,cat,trian\n", "line 2", "'trian'", "train, val")]
    [DataRow("path|label\na.png|cat\n", "line 1", "no column 'path'", "path|label", "'|'", "commas or semicolons")]
    [DataRow(
        "photo,label\na.png,cat\n",
        "line 1",
        "no column 'path'",
        "Found: photo, label",
        "ImagePath",
        "--path-column"
    )]
    [DataRow("path,kind\na.png,cat\n", "no column 'label'", "Found: path, kind", "--label-column")]
    [DataRow(
        "path,Image,label\na.png,a.png,cat\n",
        "line 1",
        "'path' and 'Image'",
        "columns 1 and 2 of 3",
        "--path-column Image"
    )]
    [DataRow("path,CLASS,label\na.png,1,cat\n", "line 1", "'CLASS' and 'label'", "--label-column CLASS")]
    [DataRow("path;label\na.png;cat;1,5\n", "line 2", "3 fields", "expected 2", "'1,5'", "semicolons")]
    [DataRow("file,class\na.png,\n", "line 2, column 'class'", "label is empty")]
    [DataRow("path\na.png\n", "no column 'label'")]
    [DataRow("label\ncat\n", "no column 'path'")]
    [DataRow("path,label,Label\na.png,cat,cat\n", "'label' twice")]
    [DataRow("path,label\na.png,cat,x\n", "line 2", "3 fields", "expected 2")]
    [DataRow("path,label\na.png,cat\nb.png\n", "line 3", "1 field,")]
    [DataRow("path,label\na.png,\"cat\nb.png,dog\n", "line 2", "quote")]
    [DataRow("path,label\na.png,\"cat\"x\nb.png,dog\n", "line 2", "quote")]
    [DataRow("path,label\na.png,Cat\nb.png,cat\n", "'Cat', 'cat'", "case only")]
    [DataRow("path,label\na.png,cat\nb.png,cat\n", "one class only ('cat')")]
    [DataRow("path,label\na.png,cat\nno.png,dog\n", "'dog'", "line 3", "does not exist")]
    [DataRow("path,label\n", "lists no images")]
    [DataRow("", "an empty file")]
    [DataRow("\n", "is empty")]
    public void Read_BadCsv_SaysWhatAndWhere(string text, params string[] expected) =>
        Fails(Write("x.csv", text), expected);

    [TestMethod]
    [DataRow("{\"path\":\"a.png\",\"label\":\"cat\"}\n{\"path\":\"b.png\"", "line 2", "not a JSON object")]
    [DataRow("[1]", "line 1", "array")]
    [DataRow("{\"label\":\"cat\"}", "line 1", "no field 'path'", "Found: label")]
    [DataRow(
        "{\"path\":\"a.png\",\"file\":\"b.png\",\"label\":\"cat\"}",
        "line 1",
        "'path' and 'file'",
        "--path-column file"
    )]
    [DataRow("{\"path\":\"a.png\",\"PATH\":\"b.png\",\"label\":\"cat\"}", "line 1", "twice")]
    [DataRow("{\"path\":[\"a.png\"],\"label\":\"cat\"}", "line 1", "'path' is array")]
    [DataRow("{\"path\":\"a.png\"}", "line 1", "label is empty")]
    [DataRow("{\"path\":\"\\uD800\",\"label\":\"cat\"}", "line 1")]
    [DataRow("", "an empty file")]
    [DataRow("\n", "lists no images")]
    public void Read_BadJsonLines_SaysWhatAndWhere(string text, params string[] expected) =>
        Fails(Write("x.jsonl", text), expected);

    [TestMethod]
    public void Read_NotUtf8_SaysSo()
    {
        Fails(folder.Write("x.csv", [.. "path,label\n"u8, 0xE9, .. ".png,cat\n"u8]), "UTF-8", "0xE9");
        Fails(folder.Write("x.jsonl", [.. "{\"path\":\""u8, 0xE9, .. "\"}\n"u8]), "UTF-8");
    }

    [TestMethod]
    public void Read_ExtraColumns_AreIgnoredAndNamed()
    {
        Dataset csv = DatasetReader.Read(Write("x.csv", "id,path,label,note\n1,a.png,cat,x\n2,b.png,dog,\n"));
        Dataset json = DatasetReader.Read(
            Write(
                "x.jsonl",
                "{\"path\":\"a.png\",\"label\":\"cat\",\"box\":[1,2]}\n{\"id\":2,\"path\":\"b.png\",\"label\":\"dog\"}"
            )
        );
        foreach (Dataset data in (Dataset[])[csv, json])
        {
            CollectionAssert.AreEqual(new[] { "a.png", "b.png" }, data.Items.Select(i => i.Name).ToArray());
            CollectionAssert.AreEqual(new[] { "cat", "dog" }, data.ClassNames.ToArray());
        }

        CollectionAssert.AreEqual(new[] { "id", "note" }, csv.UnusedColumns.ToArray());
        CollectionAssert.AreEqual(new[] { "box", "id" }, json.UnusedColumns.ToArray());
        StringAssert.Contains(MlNetTransfer.Jobs.HeldOutRows.Notes(csv).Single(), "id, note");
    }

    [TestMethod]
    [DataRow("x.csv", "path,label,grp\na.png,cat,1\n")]
    [DataRow("x.jsonl", "{\"path\":\"a.png\",\"label\":\"cat\",\"grp\":1}")]
    public void Read_ExtraColumnsRefused_NamesTheFirst(string name, string text)
    {
        var options = new DatasetOptions { ExtraColumns = ExtraColumns.Refuse };
        string message = Assert
            .ThrowsExactly<TransferException>(() => DatasetReader.Read(Write(name, text), options))
            .Message;
        foreach (string expected in (string[])["line 1", "'grp'", "path, label, group, split", "path, label, grp"])
            StringAssert.Contains(message, expected);
    }

    /// <summary>Fields as spreadsheets of a language with a decimal comma save them.</summary>
    [TestMethod]
    [DataRow(false)]
    [DataRow(true)]
    public void Read_SemicolonCsv_WithCommasAndQuotesInFields(bool bom)
    {
        folder.Write("e;f.png", [1]);
        string text =
            "Breite;path;label;Notiz\r\n0,5;a.png;cat;\"ein \"\"Zitat\"\"; lang\"\r\n1,25;\"e;f.png\";dog, big;\r\n";
        Dataset data = DatasetReader.Read(Write("x.csv", text, new UTF8Encoding(bom)));
        CollectionAssert.AreEqual(new[] { "a.png", "e;f.png" }, data.Items.Select(i => i.Name).ToArray());
        CollectionAssert.AreEqual(new[] { "cat", "dog, big" }, data.ClassNames.ToArray());
        CollectionAssert.AreEqual(new[] { "Breite", "Notiz" }, data.UnusedColumns.ToArray());
    }

    [TestMethod]
    [DataRow("path", "label")]
    [DataRow("ImagePath", "Label")]
    [DataRow("ImageSource", "Label")]
    [DataRow("IMAGE", "Class")]
    [DataRow("file", "class")]
    [DataRow("FileName", "label")]
    public void Read_KnownNames_NeedNoOption(string path, string label)
    {
        Dataset csv = DatasetReader.Read(Write("x.csv", $"{label};{path}\ncat;a.png\ndog;b.png\n"));
        Dataset tsv = DatasetReader.Read(Write("x.tsv", $"{label}\t{path}\ncat\ta.png\ndog\tb.png\n"));
        Dataset json = DatasetReader.Read(
            Write(
                "x.jsonl",
                $"{{\"{path}\":\"a.png\",\"{label}\":\"cat\"}}\n{{\"{label}\":\"dog\",\"{path}\":\"b.png\"}}"
            )
        );
        foreach (Dataset data in (Dataset[])[csv, tsv, json])
            CollectionAssert.AreEqual(
                new[] { "a.png 0", "b.png 1" },
                data.Items.Select(i => $"{i.Name} {i.Label}").ToArray()
            );
    }

    [TestMethod]
    public void Read_AskedColumns_AreTakenBesideTheKnownOnes()
    {
        var options = new DatasetOptions { PathColumn = "photo", LabelColumn = "species" };
        Dataset csv = DatasetReader.Read(
            Write("x.csv", "path;Photo;label;Species\nx;a.png;1;cat\ny;b.png;1;dog\n"),
            options
        );
        Dataset json = DatasetReader.Read(
            Write(
                "x.jsonl",
                "{\"photo\":\"a.png\",\"label\":1,\"species\":\"cat\"}\n{\"photo\":\"b.png\",\"species\":\"dog\"}"
            ),
            options
        );
        foreach (Dataset data in (Dataset[])[csv, json])
            CollectionAssert.AreEqual(
                new[] { "a.png cat", "b.png dog" },
                data.Items.Select(i => $"{i.Name} {data.ClassNames[i.Label]}").ToArray()
            );
        string message = Assert
            .ThrowsExactly<TransferException>(() =>
                DatasetReader.Read(Write("y.csv", "path,label\na.png,cat\n"), options)
            )
            .Message;
        foreach (
            string expected in (string[])["y.csv', line 1", "no column 'photo'", "Found: path, label", "--path-column"]
        )
            StringAssert.Contains(message, expected);
        Assert.ThrowsExactly<ArgumentException>(() => new DatasetOptions { LabelColumn = " " });
    }

    [TestMethod]
    public void ReadUnlabelled_TwoLabelColumns_DoNotMatter() =>
        Assert.HasCount(1, DatasetReader.ReadUnlabelled(Write("x.csv", "class,label,path\n1,2,a.png\n")).Items);

    [TestMethod]
    [DataRow("x.csv", "path,label\n")]
    [DataRow("x.jsonl", "")]
    public void Read_MoreRowsOrLongerRowsThanAllowed_SaysTheLimit(string name, string head)
    {
        string Row(string path, string label) =>
            name == "x.csv" ? $"{path},{label}\n" : $"{{\"path\":\"{path}\",\"label\":\"{label}\"}}\n";
        string list = Write(name, head + Row("a.png", "cat") + Row("b.png", "dog") + Row("c.png", "dog"));
        Assert.HasCount(
            2,
            DatasetReader
                .Read(
                    list,
                    new DatasetOptions
                    {
                        Lists = new ListLimits { MaxRows = 3, MaxRowLength = 40 },
                    }
                )
                .Items
        );
        Fails(list, new ListLimits { MaxRows = 2 }, "more than 2 images");
        Fails(
            Write(name, head + Row("a.png", new string('x', 100))),
            new ListLimits { MaxRowLength = 99 },
            "99 characters"
        );
    }

    [TestMethod]
    [DataRow("x.csv", "path,label\n\"")]
    [DataRow("x.csv", "path,label\n")]
    [DataRow("x.jsonl", "{\"path\":\"")]
    public void Read_RowThatNeverEnds_DoesNotFillTheMemory(string name, string head)
    {
        string list = Write(name, head + new string('x', 64 << 20));
        long before = GC.GetAllocatedBytesForCurrentThread();
        Fails(list, "MaxRowLength");
        Assert.IsLessThan(
            8L << 20,
            GC.GetAllocatedBytesForCurrentThread() - before,
            "a few rows of 65,536 characters, not 64 million characters"
        );
    }

    [TestMethod]
    public void ReadUnlabelled_List_KeepsItsOrderAndNeedsNoLabels()
    {
        Dataset data = DatasetReader.ReadUnlabelled(
            Write("x.csv", "path,label,split\nb.png,,what\nno.png,,\na.png,,\nb.png,x,\n")
        );
        CollectionAssert.AreEqual(new[] { "b.png", "a.png" }, data.Items.Select(i => i.Name).ToArray());
        CollectionAssert.AreEqual(new[] { "no.png", "b.png" }, data.Rejected.Select(r => r.File).ToArray());
        CollectionAssert.AreEqual(
            new[] { "a.png" },
            DatasetReader.ReadUnlabelled(Write("y.jsonl", "{\"path\":\"a.png\"}")).Items.Select(i => i.Name).ToArray()
        );
    }

    private static void Fails(string list, params string[] expected) => Fails(list, new ListLimits(), expected);

    private static void Fails(string list, ListLimits limits, params string[] expected)
    {
        string message = Assert
            .ThrowsExactly<TransferException>(() => DatasetReader.Read(list, new DatasetOptions { Lists = limits }))
            .Message;
        StringAssert.Contains(message, Path.GetFileName(list));
        foreach (string text in expected)
            StringAssert.Contains(message, text);
        Assert.IsLessThan(2000, message.Length);
    }

    private string Write(string name, string text, Encoding? encoding = null)
    {
        encoding ??= new UTF8Encoding(false);
        return folder.Write(name, [.. encoding.GetPreamble(), .. encoding.GetBytes(text)]);
    }
}
