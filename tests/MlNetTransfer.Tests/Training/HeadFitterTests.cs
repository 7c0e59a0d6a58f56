using MlNetTransfer.Features;
using MlNetTransfer.Heads;
using MlNetTransfer.Tests.Heads;
using MlNetTransfer.Training;

namespace MlNetTransfer.Tests.Training;

[TestClass]
public sealed class HeadFitterTests
{
    /// <summary>A ring around a cluster, at every tap: only a kernel tells the classes apart.</summary>
    [TestMethod]
    public void Fit_RingAroundACluster_IsAKernelUnlessTheHeadMustBeLinear()
    {
        var labels = new int[80];
        var values = new float[8 * 80];
        for (int i = 0; i < 80; i++)
        {
            double angle = 2 * Math.PI * i / 40,
                radius = i < 40 ? 0.05 : 4;
            labels[i] = i / 40;
            for (int tap = 0; tap < 4; tap++)
            {
                values[8 * i + 2 * tap] = (float)(radius * Math.Cos(angle + tap));
                values[8 * i + 2 * tap + 1] = (float)(radius * Math.Sin(angle + tap));
            }
        }

        FeatureTable table = Rows.Table(labels, values, 8, 2);
        FittedHead free = Fit(linear: false),
            linear = Fit(linear: true);
        Assert.AreEqual(HeadKind.Kernel.Label, free.Selection.Name);
        Assert.IsInstanceOfType<ILinearHead>(linear.Head);

        FittedHead Fit(bool linear) =>
            new HeadFitter(
                new HeadRecipeOptions { LinearOnly = linear },
                new TapGroups(["a", "b", "c", "d"], [2, 2, 2, 2]),
                "d"
            ).Fit(table, null, default);
    }
}
