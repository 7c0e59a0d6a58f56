using MlNetTransfer.Backbones;

namespace MlNetTransfer.Tests.Backbones;

[TestClass]
public sealed class DeviceParityTests
{
    private static readonly ItemRows Reference = Rows([10, -4, 0, 5, 2, 1]);

    [TestMethod]
    public void Compare_RoundingOfTf32_IsAccepted() =>
        DeviceParity.Compare(ExecutionProvider.Cuda, Reference, Rows([10.01f, -4.01f, 0.01f, 5.005f, 2, 1]));

    [TestMethod]
    public void Compare_OtherNumbers_NamesTheDeviceAndTheDifference()
    {
        var e = Assert.ThrowsExactly<TransferException>(() =>
            DeviceParity.Compare(ExecutionProvider.Cuda, Reference, Rows([10, -4, 0, 5, 2.5f, 1]))
        );
        StringAssert.Contains(e.Message, "Cuda");
        StringAssert.Contains(e.Message, "0.5");
    }

    [TestMethod]
    public void Compare_ImagesLostOnTheDevice_SaysHowMany()
    {
        var e = Assert.ThrowsExactly<TransferException>(() =>
            DeviceParity.Compare(ExecutionProvider.TensorRt, Reference, Rows([10, -4, 0]))
        );
        StringAssert.Contains(e.Message, "1");
        StringAssert.Contains(e.Message, "2");
    }

    private static ItemRows Rows(float[] values) =>
        new()
        {
            Accepted = [.. Enumerable.Range(0, values.Length / 3)],
            Values = values,
            Width = 3,
            Digests = new byte[values.Length / 3 * 32],
            Rejected = [],
            FromCache = 0,
            Elapsed = TimeSpan.FromSeconds(1),
        };
}
