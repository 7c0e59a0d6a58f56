using MlNetTransfer.Imaging;

namespace MlNetTransfer.Tests.Imaging;

[TestClass]
public sealed class ImageFileBufferTests
{
    [TestMethod]
    public void Read_OneFileAfterAnother_GivesEachFilesBytes()
    {
        ImageFileBuffer buffer = new();
        foreach (string name in Fixtures.Good)
            CollectionAssert.AreEqual(Fixtures.Read(name), buffer.Read(Fixtures.PathOf(name)).ToArray(), name);
    }

    [TestMethod]
    public void Read_Unusable_SaysWhy()
    {
        string empty = Path.GetTempFileName();
        try
        {
            StringAssert.StartsWith(Reason(empty, new ImageLimits()), "it has 0 bytes: an empty file");
            Assert.AreEqual("the file does not exist", Reason(Fixtures.PathOf("no such file"), new ImageLimits()));
            Assert.AreEqual(
                "the file cannot be read: a folder, expected an image file",
                Reason(Fixtures.Folder, new ImageLimits())
            );
            StringAssert.Contains(
                Reason(Fixtures.PathOf("rgb.png"), new ImageLimits { MaxBytes = 100 }),
                "raise MaxBytes"
            );
        }
        finally
        {
            File.Delete(empty);
        }
    }

    private static string Reason(string path, ImageLimits limits) =>
        Assert.ThrowsExactly<ImageRejectedException>(() => new ImageFileBuffer(limits).Read(path)).Reason;
}
