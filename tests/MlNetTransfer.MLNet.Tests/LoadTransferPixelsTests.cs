using Microsoft.ML;
using Microsoft.ML.Data;
using MlNetTransfer.Backbones;
using MlNetTransfer.Imaging;
using MlNetTransfer.Tests.Shared;

namespace MlNetTransfer.MLNet.Tests;

/// <summary>Image files and bytes to tensors.</summary>
[TestClass]
public sealed class LoadTransferPixelsTests
{
    private static readonly MLContext Context = Trained.Context;

    [TestMethod]
    [DataRow("mobilenet_v2_140", 224)]
    [DataRow("inception_v3", 299)]
    public void Transform_FilesAndBytes_GivesTheLibrarysTensorBitForBit(string backbone, int size)
    {
        ImageFile[] files = ImageFile.Few(2, "bird", "vehicle");
        IDataView paths = Context.Data.LoadFromEnumerable(files);
        IDataView bytes = Context.Data.LoadFromEnumerable(files.Select(f => new BytesOnly { Image = File.ReadAllBytes(f.Path) }));
        using TransferPixelsTransformer fromPaths = Context.Transforms.LoadTransferPixels("Pixels", "Path", backbone).Fit(paths), fromBytes = Context.Transforms.LoadTransferPixels("Pixels", "Image", backbone).Fit(bytes);
        float[][] one = [.. fromPaths.Transform(paths).GetColumn<float[]>("Pixels")], two = [.. fromBytes.Transform(bytes).GetColumn<float[]>("Pixels")];
        Assert.AreEqual(new VectorDataViewType(NumberDataViewType.Single, 3, size, size), fromPaths.GetOutputSchema(paths.Schema)["Pixels"].Type);

        using var preprocessor = new ImagePreprocessor(BackboneCatalog.Default.Get(backbone).Preprocessing);
        for (int i = 0; i < files.Length; i++)
        {
            var expected = new float[3 * size * size];
            preprocessor.Process(File.ReadAllBytes(files[i].Path), expected);
            CollectionAssert.AreEqual(expected, one[i]);
            CollectionAssert.AreEqual(expected, two[i]);
        }
    }

    [TestMethod]
    public void Transform_RelativePaths_AreBelowTheFolder()
    {
        IDataView rows = Context.Data.LoadFromEnumerable([new ImageFile { Path = "fruit/banana.png" }]);
        using TransferPixelsTransformer loader = Context.Transforms.LoadTransferPixels("Pixels", "Path", imageFolder: Repository.At("data-samples/clipart")).Fit(rows);
        Assert.HasCount(3 * 224 * 224, loader.Transform(rows).GetColumn<float[]>("Pixels").Single());
    }

    [TestMethod]
    public void Transform_FileThatIsMissing_NamesIt()
    {
        IDataView rows = Context.Data.LoadFromEnumerable([new ImageFile { Path = "no-such-image.png" }]);
        using TransferPixelsTransformer loader = Trained.Pixels().Fit(rows);
        TransferException e = FailureOf(() => loader.Transform(rows).GetColumn<float[]>("Features").ToArray());
        StringAssert.Contains(e.Message, "The image 'no-such-image.png' in column 'Path' cannot be used: the file does not exist.");
    }

    [TestMethod]
    [DataRow(null)]
    [DataRow("")]
    [DataRow("not an image")]
    public void Transform_BytesThatAreNoImage_SaysSo(string? content)
    {
        IDataView rows = Context.Data.LoadFromEnumerable([new BytesOnly { Image = content is null ? null : System.Text.Encoding.ASCII.GetBytes(content) }]);
        using TransferPixelsTransformer loader = Context.Transforms.LoadTransferPixels("Pixels", "Image").Fit(rows);
        TransferException e = FailureOf(() => loader.Transform(rows).GetColumn<float[]>("Pixels").ToArray());
        StringAssert.Contains(e.Message, $"The image of {content?.Length ?? 0} bytes in column 'Image' cannot be used");
    }

    [TestMethod]
    public void Fit_ColumnOfAnotherType_SaysWhatWasExpected()
    {
        IDataView rows = Context.Data.LoadFromEnumerable([new Number { Value = 1 }]);
        foreach (string column in (string[])["Value", "Missing"])
        {
            TransferException direct = Assert.ThrowsExactly<TransferException>(() => Context.Transforms.LoadTransferPixels("Pixels", column).Fit(rows));
            TransferException planned = Assert.ThrowsExactly<TransferException>(() => Context.Transforms.CopyColumns("Copy", "Value").Append(Context.Transforms.LoadTransferPixels("Pixels", column)).Fit(rows));
            StringAssert.Contains(direct.Message, column == "Value" ? "Column 'Value' is Single; text" : "Column 'Missing' is missing; text");
            StringAssert.Contains(planned.Message, column == "Value" ? "Column 'Value' is Scalar of Single; text" : "Column 'Missing' is missing; text");
        }
    }

    [TestMethod]
    public void Save_TheLoader_SaysWhatToSaveInstead()
    {
        using var stream = new MemoryStream();
        TransferException e = Assert.ThrowsExactly<TransferException>(() => Context.Model.Save(Trained.Chain, null, stream));
        StringAssert.Contains(e.Message, "Save what follows it, e.g. model.LastTransformer");
    }

    /// <summary>ML.NET wraps what a mapping throws on one of its threads.</summary>
    private static TransferException FailureOf(Func<float[][]> read)
    {
        Exception e = Assert.Throws<Exception>(() => _ = read());
        return e as TransferException ?? (TransferException)e.InnerException!;
    }

    private sealed class BytesOnly
    {
        public byte[]? Image { get; set; }
    }

    private sealed class Number
    {
        public float Value { get; set; }
    }
}
