using Microsoft.ML.OnnxRuntime;
using MlNetTransfer.Onnx.Runtime;
using DataType = MlNetTransfer.Onnx.Proto.TensorProto.Types.DataType;

namespace MlNetTransfer.Onnx.Tests.Runtime;

[TestClass]
public sealed class BoundRowsTests
{
    /// <summary>
    /// Token ids and mask, as a text encoder takes them, and pixels: sum of the ids where the mask is 1, twice each
    /// byte.
    /// </summary>
    private static OrtSession Encoder()
    {
        OnnxModel model = new GraphBuilder()
            .Input("ids", ["N", 3], DataType.Int64)
            .Input("mask", ["N", 3], DataType.Int64)
            .Input("pixels", ["N", 2, 1], DataType.Uint8)
            .Initializer("axis", [1L], 1)
            .Initializer("two", [2f])
            .Node("Mul", ["ids", "mask"], ["masked"])
            .Node("ReduceSum", ["masked", "axis"], ["sum"])
            .Node("Cast", ["pixels"], ["numbers"], Attributes.Of("to", (int)DataType.Float))
            .Node("Mul", ["numbers", "two"], ["twice"])
            .Output("sum", ["N", 1], DataType.Int64)
            .Output("twice", ["N", 2, 1])
            .Build();
        return new OrtSession(model.ToBytes(), OrtSettings.Default, "the encoder");
    }

    [TestMethod]
    public void Run_SeveralTypesAndCounts_EveryPlaceHasItsOwnNumbers()
    {
        using OrtSession session = Encoder();
        RowTensor<long> ids = new("ids", 4, 3),
            mask = new("mask", 4, 3),
            sum = new("sum", 4, 1);
        RowTensor<byte> pixels = new("pixels", 4, 2, 1);
        RowTensor<float> twice = new("twice", 4, 2, 1);
        using BoundRows rows = new(session, [ids, mask, pixels], [sum, twice]);
        Assert.AreEqual(4, rows.Capacity);
        int round = 0;
        foreach (int count in (int[])[3, 1, 4, 3])
        {
            round++;
            for (int row = 0; row < 4; row++)
            {
                (ids[row][0], ids[row][1], ids[row][2]) = (100 * round, 10 * row, 1L << 40);
                (mask[row][0], mask[row][1], mask[row][2]) = (1, 1, row % 2);
                (pixels[row][0], pixels[row][1]) = ((byte)round, (byte)(200 + row));
                sum[row].Fill(-1);
                twice[row].Fill(-1);
            }

            rows.Run(count);
            for (int row = 0; row < 4; row++)
            {
                long masked = row % 2 == 0 ? 0 : 1L << 40;
                (long, float, float) expected =
                    row < count ? (100 * round + 10 * row + masked, 2 * round, 2 * (200 + row)) : (-1, -1, -1);
                Assert.AreEqual(expected, (sum[row][0], twice[row][0], twice[row][1]), $"row {row} of {count}");
            }
        }
    }

    [TestMethod]
    public void Run_SharedSession_EachHasMemoryOfItsOwn()
    {
        using OrtSession session = new(Models.Chain().ToBytes(), OrtSettings.OneThread, "it");
        Parallel.For(
            0,
            8,
            worker =>
            {
                RowTensor<float> x = new("x", 1, 2),
                    y = new("y", 1, 2);
                using BoundRows rows = new(session, [x], [y]);
                for (int i = 0; i < 100; i++)
                {
                    (x[0][0], x[0][1]) = (worker, i);
                    rows.Run(1);
                    Assert.AreEqual(
                        (2 * worker + 1, Math.Max(0, 2 * i - 5)),
                        ((int)y[0][0], (int)y[0][1]),
                        "relu(2x + [1, -5])"
                    );
                }
            }
        );
    }

    [TestMethod]
    [DataRow(0)]
    [DataRow(3)]
    public void Run_CountOutsideTheMemory_Throws(int count)
    {
        using OrtSession session = new(Models.Chain().ToBytes(), OrtSettings.OneThread, "it");
        using BoundRows rows = new(session, [new RowTensor<float>("x", 2, 2)], [new RowTensor<float>("y", 2, 2)]);
        Assert.ThrowsExactly<ArgumentOutOfRangeException>(() => rows.Run(count));
    }

    [TestMethod]
    public void Create_UnequalRows_NamesTheTensor()
    {
        using OrtSession session = new(Models.Chain().ToBytes(), OrtSettings.OneThread, "it");
        ArgumentException error = Assert.ThrowsExactly<ArgumentException>(() =>
            new BoundRows(session, [new RowTensor<float>("x", 2, 2)], [new RowTensor<float>("y", 3, 2)])
        );
        Assert.AreEqual("'y' has 3 rows, 'x' has 2; give all as many.", error.Message);
    }

    [TestMethod]
    public void Run_AnotherShapeThanTheGraphs_SaysWhatOnnxRuntimeSays()
    {
        using OrtSession session = new(Models.Chain().ToBytes(), OrtSettings.OneThread, "it");
        using BoundRows rows = new(session, [new RowTensor<float>("x", 1, 5)], [new RowTensor<float>("y", 1, 2)]);
        OnnxRuntimeException error = Assert.ThrowsExactly<OnnxRuntimeException>(() => rows.Run(1));
        StringAssert.Contains(OrtSession.Said(error), "invalid dimensions");
    }
}
