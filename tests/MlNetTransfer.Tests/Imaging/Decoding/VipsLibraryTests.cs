using MlNetTransfer.Imaging.Decoding;

namespace MlNetTransfer.Tests.Imaging.Decoding;

[TestClass]
public sealed class VipsLibraryTests
{
    [TestMethod]
    public void Load_Missing_SaysWhatAndWhereAndHowToMendIt()
    {
        TransferException e = Assert.ThrowsExactly<TransferException>(() =>
            VipsLibrary.Load("libnovips.so.42", typeof(VipsLibrary).Assembly)
        );
        StringAssert.StartsWith(e.Message, "The image decoder libvips is missing: libnovips.so.42 is not in ");
        StringAssert.Contains(e.Message, "It comes with the package NetVips.Native.");
    }
}
