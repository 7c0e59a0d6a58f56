using MlNetTransfer.Onnx;

namespace MlNetTransfer.TorchSharp.Tests;

/// <summary>That the other tests compare what torch's layers cannot say: pads that differ from side to side.</summary>
/// <remarks>
/// That a max pool is padded with -inf and not with 0 makes no difference behind a rectifier; the case max_pool_uneven
/// of <see cref="OperatorClassTests"/> shows it.
/// </remarks>
[TestClass]
public sealed class UnevenPadsTests
{
    /// <summary>Pads of two dimensions: top, left, bottom, right.</summary>
    [TestMethod]
    public void Model_Pads_AreUnevenInConvolutionsAndInTheMaxPool()
    {
        (string Operator, string Pads)[] uneven =
        [
            .. OnnxModel
                .Load(Trained.Model)
                .Nodes.Select(n => (n.OpType, n.Attribute.FirstOrDefault(a => a.Name == "pads")?.Ints.ToArray()))
                .Where(n => n.Item2 is [var top, var left, var bottom, var right] && (top != bottom || left != right))
                .Select(n => (n.OpType, string.Join(",", n.Item2!))),
        ];
        CollectionAssert.Contains(uneven, ("Conv", "3,3,2,2"));
        CollectionAssert.Contains(uneven, ("Conv", "1,1,0,0"));
        CollectionAssert.Contains(uneven, ("MaxPool", "1,1,0,0"));
    }
}
