using MlNetTransfer.Imaging.Decoding;

namespace MlNetTransfer.Tests.Imaging.Decoding;

[TestClass]
public sealed class VipsLibraryTests
{
    [TestMethod]
    public void FindFile_Missing_SaysWhatAndWhereAndHowToMendIt()
    {
        TransferException e = Assert.ThrowsExactly<TransferException>(() => VipsLibrary.FindFile(VipsNative.Vips, [Fixtures.Folder, "no such folder"]));
        StringAssert.StartsWith(e.Message, "The image decoder libvips is missing: no libvips");
        StringAssert.Contains(e.Message, $" in {Fixtures.Folder} or no such folder. The build copies it");
    }

    [TestMethod]
    public void FindFile_BesideTheAssemblies_IsThePinnedLibrary() =>
        StringAssert.Contains(Path.GetFileName(VipsLibrary.FindFile(VipsNative.Vips, [AppContext.BaseDirectory])), "libvips");
}
