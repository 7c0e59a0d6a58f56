using MlNetTransfer.Imaging;
using MlNetTransfer.Imaging.Resizing;

namespace MlNetTransfer.Tests.Imaging.Resizing;

[TestClass]
public sealed unsafe class WeightedSumTests
{
    /// <summary>Rows of noise and of the extremes 0 and 255, which drive bicubic sums below 0 and above 255.</summary>
    [TestMethod]
    [DataRow(Interpolation.Bilinear, 500, 224)]
    [DataRow(Interpolation.Bicubic, 500, 224)]
    [DataRow(Interpolation.Bicubic, 20_000, 8)]
    [DataRow(Interpolation.Bicubic, 5, 31)]
    public void Levels_RandomRows_GiveTheBytesOf64BitArithmetic(Interpolation interpolation, int inputs, int outputs)
    {
        const int length = 48;
        AxisWeights axis = new(interpolation);
        axis.Build(inputs, AxisOutput.Whole(outputs));
        byte[] rows = new byte[(inputs + 1) * length];
        Random random = new(5);
        for (int i = 0; i < rows.Length; i++)
            rows[i] =
                i % 3 == 0 ? (byte)random.Next(256)
                : random.Next(2) == 0 ? byte.MinValue
                : byte.MaxValue;

        byte[] actual = new byte[length];
        fixed (
            byte* row = rows,
                output = actual
        )
        fixed (
            int* weights = axis.Weights,
                pairs = axis.Pairs
        )
        {
            for (int o = 0; o < outputs; o++)
            {
                byte[] expected = new byte[length];
                for (int i = 0; i < length; i++)
                {
                    long sum = 1L << 21;
                    for (int t = 0; t < axis.Taps[o]; t++)
                        sum += (long)axis.Weights[(o * axis.Stride) + t] * rows[((axis.First[o] + t) * length) + i];
                    expected[i] = (byte)Math.Clamp(sum >> 22, 0, 255);
                }
                foreach (SimdLevel level in Enum.GetValues<SimdLevel>().Where(level => level <= SimdLevels.Best))
                {
                    WeightedSum.Run(
                        level,
                        row + (axis.First[o] * length),
                        length,
                        axis.Taps[o],
                        weights + (o * axis.Stride),
                        pairs + (o * axis.Stride),
                        output,
                        length
                    );
                    CollectionAssert.AreEqual(expected, actual, $"{level}, output {o}");
                }
            }
        }
    }

    [TestMethod]
    [DataRow(Interpolation.Bilinear)]
    [DataRow(Interpolation.Bicubic)]
    public void Weights_EveryOutput_SumToOne(Interpolation interpolation)
    {
        AxisWeights axis = new(interpolation);
        foreach (int inputs in (int[])[1, 2, 30, 31, 32, 100, 5000])
        {
            axis.Build(inputs, AxisOutput.Whole(31));
            for (int o = 0; o < 31; o++)
            {
                long sum = 0;
                for (int t = 0; t < axis.Stride; t++)
                    sum += axis.Weights[(o * axis.Stride) + t];
                // Each weight is rounded by at most half a unit.
                Assert.IsTrue(Math.Abs(sum - (1 << 22)) <= (axis.Taps[o] / 2.0), $"{inputs} inputs, output {o}: {sum}");
            }
        }
    }

    [TestMethod]
    public void Transpose_Block_SwapsRowsAndColumns()
    {
        byte[] input = new byte[16 * 20],
            output = new byte[16 * 24];
        new Random(1).NextBytes(input);
        foreach (SimdLevel level in (SimdLevel[])[SimdLevel.Scalar, SimdLevel.Vector128])
        {
            fixed (
                byte* from = input,
                    to = output
            )
                ByteTranspose.Block(level, from, 20, to, 24);
            for (int i = 0; i < 256; i++)
                Assert.AreEqual(input[(i / 16 * 20) + (i % 16)], output[(i % 16 * 24) + (i / 16)]);
        }
    }
}
