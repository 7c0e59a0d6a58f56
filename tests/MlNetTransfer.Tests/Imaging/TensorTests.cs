using MlNetTransfer.Imaging;

namespace MlNetTransfer.Tests.Imaging;

[TestClass]
public sealed class TensorTests
{
    [TestMethod]
    public void Tensor_OfPixels_IsTheStatedFormulaInChannelOrder()
    {
        Preprocessing preprocessing = new()
        {
            Size = 19,
            Mean = new(0.485f, 0.456f, 0.406f),
            Std = new(0.229f, 0.224f, 0.225f),
        };
        using ImagePreprocessor preprocessor = new(preprocessing);
        byte[] file = Fixtures.Read("orientation-6.jpg"),
            pixels = new byte[preprocessing.TensorLength];
        float[] tensor = new float[preprocessing.TensorLength];
        preprocessor.ProcessToPixels(file, pixels);
        preprocessor.Process(file, tensor);

        double[] mean = [0.485f, 0.456f, 0.406f],
            std = [0.229f, 0.224f, 0.225f];
        for (int channel = 0; channel < 3; channel++)
        {
            for (int i = 0; i < 19 * 19; i++)
            {
                double expected = ((pixels[(3 * i) + channel] / 255.0) - mean[channel]) / std[channel];
                // Values reach 2.6; three roundings to float are below 1e-6.
                Assert.AreEqual(expected, tensor[(channel * 19 * 19) + i], 1e-6);
            }
        }
    }

    [TestMethod]
    public void Tensor_GreyImage_HasThreeEqualChannels()
    {
        using ImagePreprocessor preprocessor = new(new Preprocessing { Size = 16 });
        float[] tensor = new float[768];
        preprocessor.Process(Fixtures.Read("grey.jpg"), tensor);
        CollectionAssert.AreEqual(tensor[..256], tensor[256..512]);
        CollectionAssert.AreEqual(tensor[..256], tensor[512..]);
        Assert.IsGreaterThan(0.5f, tensor.Max() - tensor.Min());
    }
}
