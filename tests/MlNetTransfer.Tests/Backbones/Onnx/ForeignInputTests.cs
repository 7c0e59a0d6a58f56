using Microsoft.ML.OnnxRuntime;
using Microsoft.ML.OnnxRuntime.Tensors;
using MlNetTransfer.Backbones;
using MlNetTransfer.Backbones.Onnx;
using MlNetTransfer.Imaging;
using MlNetTransfer.Onnx;
using MlNetTransfer.Onnx.Proto;
using MlNetTransfer.Tests.Shared;
using DataType = MlNetTransfer.Onnx.Proto.TensorProto.Types.DataType;

namespace MlNetTransfer.Tests.Backbones.Onnx;

/// <summary>
/// Inputs of many forms. What is expected is the foreign model itself, run on a tensor that is prepared here by the
/// plain definition.
/// </summary>
[TestClass]
public sealed class ForeignInputTests
{
    private const int Width = 24,
        Height = 16;

    // Gradients in another order of sums, no more.
    private const float Float32 = 1e-5f;

    [TestMethod]
    [DataRow(1, false, DataType.Float)]
    [DataRow(1, true, DataType.Float)]
    [DataRow(3, false, DataType.Float)]
    [DataRow(3, true, DataType.Float)]
    [DataRow(4, false, DataType.Float)]
    [DataRow(4, true, DataType.Float)]
    [DataRow(1, true, DataType.Uint8)]
    [DataRow(3, false, DataType.Uint8)]
    [DataRow(3, true, DataType.Uint8)]
    [DataRow(4, true, DataType.Uint8)]
    [DataRow(3, true, DataType.Double)]
    public void Inspect_ChannelsLayoutsAndTypes_GiveWhatTheModelGives(int channels, bool last, DataType type)
    {
        OnnxModel model = Network(channels, last, type);
        InspectedBackbone found = OnnxBackboneInspector.Inspect(
            model,
            TinyOnnx.With(type == DataType.Uint8 ? "raw255" : "minus1to1")
        );
        Assert.AreEqual($"Float [N, 3, {Height}, {Width}]", found.Model.DeclaredShape(Backbone.InputName)!.ToString());
        Assert.AreEqual((Width, Height), found.Preprocessing.Shape);
        Assert.AreEqual((8, 12), (found.Taps[^1].Size, found.Taps[^1].Columns));
        foreach (ChannelOrder order in Enum.GetValues<ChannelOrder>())
        {
            if (order == ChannelOrder.Bgr)
                found = OnnxBackboneInspector.Inspect(
                    model,
                    TinyOnnx.With(type == DataType.Uint8 ? "raw255" : "minus1to1") with
                    {
                        Preprocessing = found.Parts() with { Order = order },
                    }
                );
            byte[] pixels = Pixels();
            float[] expected =
                    Ort.Run(model.CutAt("features"), Foreign(pixels, channels, last, type, order))["features"],
                actual =
                    Ort.Run(
                        found.Model.CutAt("features"),
                        (Backbone.InputName, Own(pixels, found.Preprocessing), [1, 3, Height, Width])
                    )["features"];
            for (int i = 0; i < expected.Length; i++)
                Assert.AreEqual(expected[i], actual[i], Float32 * Math.Max(1, Math.Abs(expected[i])), $"{order} {i}");
        }
    }

    [TestMethod]
    public void Inspect_MeanImage_IsSubtracted()
    {
        OnnxModel model = Network(3, last: false, DataType.Float);
        var mean = new MeanImage(
            Height,
            Width,
            Enumerable.Range(0, 3 * Width * Height).Select(i => i % 97 / 97f).ToArray()
        );
        InspectedBackbone found = OnnxBackboneInspector.Inspect(
            model,
            TinyOnnx.With("raw255") with
            {
                Preprocessing = NamedPreprocessing.Find("raw255") with { MeanImage = mean },
            }
        );
        byte[] pixels = Pixels();
        float[] tensor = Own(pixels, found.Preprocessing),
            centred = [.. tensor.Select((v, i) => v - (255 * mean.Values.Span[i]))];
        float[] expected = Ort.Run(model.CutAt("features"), ("x", centred, [1, 3, Height, Width]))["features"],
            actual =
                Ort.Run(found.Model.CutAt("features"), (Backbone.InputName, tensor, [1, 3, Height, Width]))["features"];
        for (int i = 0; i < expected.Length; i++)
            Assert.AreEqual(expected[i], actual[i], 1e-3f * Math.Max(1, Math.Abs(expected[i])));
        Assert.AreEqual("less a mean image", found.Adapted);
        StringAssert.Contains(
            Assert
                .ThrowsExactly<TransferException>(() =>
                    OnnxBackboneInspector.Inspect(
                        model,
                        TinyOnnx.With("raw255") with
                        {
                            Preprocessing = NamedPreprocessing.Find("raw255") with
                            {
                                MeanImage = new MeanImage(8, 8, new float[3 * 64]),
                            },
                        }
                    )
                )
                .Message,
            "The mean image is 8 x 8 pixels, the input of the model 24 x 16"
        );
    }

    [TestMethod]
    [DataRow("f4", false)]
    [DataRow("f8", true)]
    [DataRow("u1", true)]
    public void MeanImage_FileOfNumpy_IsReadInItsOrder(string type, bool last)
    {
        Python.Require("numpy");
        using TempFolder folder = new();
        string file = folder.File("mean.npy");
        Python.Run(
            """
            import sys, numpy
            image = numpy.arange(3 * 4 * 5).reshape(3, 4, 5)
            numpy.save(sys.argv[1], numpy.ascontiguousarray(image.transpose(1, 2, 0) if sys.argv[3] == 'True' else image).astype(sys.argv[2]))
            """,
            file,
            type,
            last.ToString()
        );
        MeanImage found = MeanImage.Read(file, 255, ChannelOrder.Bgr);
        Assert.AreEqual((4, 5), (found.Height, found.Width));
        for (int c = 0; c < 3; c++)
        for (int i = 0; i < 20; i++)
            Assert.AreEqual(((2 - c) * 20 + i) / 255f, found.Values.Span[c * 20 + i], 1e-7f);
        File.WriteAllText(file, "no numpy");
        StringAssert.Contains(
            Assert.ThrowsExactly<TransferException>(() => MeanImage.Read(file, 255, ChannelOrder.Rgb)).Message,
            "no .npy file"
        );
    }

    [TestMethod]
    public void Inspect_FourChannelsOfUnknownAlpha_IsRefused() =>
        StringAssert.Contains(
            Assert
                .ThrowsExactly<TransferException>(() =>
                    OnnxBackboneInspector.Inspect(Network(4, false, DataType.Float), TinyOnnx.With("imagenet"))
                )
                .Message,
            "four channels"
        );

    [TestMethod]
    public void Inspect_StatementsThatContradict_NameBothAndCanBeOverruled()
    {
        OnnxModel model = TinyOnnx
            .Model()
            .WithMetadata("Image.NominalPixelRange", "NominalRange_0_255")
            .WithMetadata("Image.BitmapPixelFormat", "Bgr8");
        string message = Assert
            .ThrowsExactly<TransferException>(() => OnnxBackboneInspector.Inspect(model, TinyOnnx.With("imagenet")))
            .Message;
        StringAssert.Contains(message, "channels Rgb and Bgr, by you and by the file's metadata");
        StringAssert.Contains(message, "--overrule");
        InspectedBackbone overruled = OnnxBackboneInspector.Inspect(
            model,
            TinyOnnx.With("imagenet") with
            {
                Overrules = true,
            }
        );
        Assert.IsNull(overruled.Adapted);
        InspectedBackbone stated = OnnxBackboneInspector.Inspect(model, new OnnxInspectionOptions { Checks = false });
        Assert.AreEqual("BGR", stated.Adapted);
        Assert.AreEqual(1 / 255f, stated.Preprocessing.Std.Green);
    }

    [TestMethod]
    [DataRow("Sub", 127.5f, "Div", 127.5f, 1 / 255f)]
    [DataRow("Mul", 1 / 255f, "Sub", 0f, 1 / 255f)]
    [DataRow("Sub", 117f, "Mul", 1f, 1 / 255f)]
    [DataRow("Sub", 0.45f, "Div", 0.226f, 1f)]
    [DataRow("Mul", 2f, "Sub", 1f, 1f)]
    public void Inspect_NormalisationInTheFirstNodes_TellsTheScale(
        string first,
        float by,
        string second,
        float then,
        float std
    )
    {
        OnnxModel model = TinyOnnx.Model(name: "inner");
        GraphBuilder before = new GraphBuilder("before")
            .Input("x", ["N", 3, TinyOnnx.Size, TinyOnnx.Size])
            .Initializer(TensorData.Floats("by", [by, by, by], 1, 3, 1, 1))
            .Initializer(TensorData.Floats("then", [then], 1))
            .Node(first, ["x", "by"], ["one"])
            .Node(second, ["one", "then"], ["two"])
            .Output("two", ["N", 3, TinyOnnx.Size, TinyOnnx.Size]);
        InspectedBackbone found = OnnxBackboneInspector.Inspect(
            model.After(before.Build()),
            new OnnxInspectionOptions { Checks = false }
        );
        Assert.AreEqual(std, found.Preprocessing.Std.Red, 1e-6f);
    }

    [TestMethod]
    public void Inspect_GraphWithoutLayers_IsNoNetwork()
    {
        OnnxModel model = new GraphBuilder()
            .Input("x", ["N", 3, 16, 16])
            .Initializer(TensorData.Floats("mean", [0.4f, 0.5f, 0.6f], 1, 3, 1, 1))
            .Node("Sub", ["x", "mean"], ["y"])
            .Output("y", ["N", 3, 16, 16])
            .Build();
        StringAssert.Contains(
            Assert
                .ThrowsExactly<TransferException>(() =>
                    OnnxBackboneInspector.Inspect(model, TinyOnnx.Unit with { Checks = true })
                )
                .Message,
            "no network"
        );
    }

    [TestMethod]
    public void Inspect_MapOfScores_IsPassedOverForTheScores()
    {
        OnnxModel tiny = TinyOnnx.Model(end: "Softmax");
        OnnxModel model = tiny.With(proto =>
        {
            var map = new NodeProto
            {
                OpType = "ZipMap",
                Domain = "ai.onnx.ml",
                Input = { "scores" },
                Output = { "loss" },
                Attribute =
                {
                    new AttributeProto
                    {
                        Name = "classlabels_strings",
                        Type = AttributeProto.Types.AttributeType.Strings,
                        Strings =
                        {
                            ((string[])["a", "b", "c", "d", "e"]).Select(Google.Protobuf.ByteString.CopyFromUtf8),
                        },
                    },
                },
            };
            proto.Graph.Node.Add(map);
            proto.OpsetImport.Add(new OperatorSetIdProto { Domain = "ai.onnx.ml", Version = 1 });
            proto.Graph.Output.Clear();
            proto.Graph.Output.Add(new ValueInfoProto { Name = "loss" });
        });
        InspectedBackbone found = OnnxBackboneInspector.Inspect(model, TinyOnnx.Unit);
        Assert.AreEqual("scores", found.Model.Outputs.Single().Name);
        CollectionAssert.AreEqual((string[])["a", "b", "c", "d", "e"], found.Labels.ToArray());
    }

    private static byte[] Pixels() => [.. Enumerable.Range(0, 3 * Width * Height).Select(i => (byte)(i * 7919 % 256))];

    /// <summary>[3 × height × width] by the definition of <see cref="Preprocessing"/>.</summary>
    private static float[] Own(byte[] pixels, Preprocessing p)
    {
        float[] mean = [p.Mean.Red, p.Mean.Green, p.Mean.Blue],
            std = [p.Std.Red, p.Std.Green, p.Std.Blue];
        return [.. pixels.Select((v, i) => ((v / 255f) - mean[i / (Width * Height)]) / std[i / (Width * Height)])];
    }

    private static NamedOnnxValue Foreign(byte[] pixels, int channels, bool last, DataType type, ChannelOrder order)
    {
        const int plane = Width * Height;
        var values = new double[channels * plane];
        for (int i = 0; i < plane; i++)
        for (int c = 0; c < channels; c++)
        {
            int of = channels >= 3 && c < 3 && order == ChannelOrder.Bgr ? 2 - c : c;
            double pixel =
                c == 3 ? 255
                : channels == 1 ? 0.299 * pixels[i] + 0.587 * pixels[plane + i] + 0.114 * pixels[2 * plane + i]
                : pixels[of * plane + i];
            values[last ? i * channels + c : c * plane + i] = pixel;
        }

        int[] shape = last ? [1, Height, Width, channels] : [1, channels, Height, Width];
        return type switch
        {
            DataType.Uint8 => Named(values.Select(v => (byte)Math.Floor(v + 0.5))),
            DataType.Double => Named(values.Select(v => (v / 127.5) - 1)),
            _ => Named(values.Select(v => (float)((v / 127.5) - 1))),
        };

        NamedOnnxValue Named<T>(IEnumerable<T> of) =>
            NamedOnnxValue.CreateFromTensor("x", new DenseTensor<T>(of.ToArray(), shape));
    }

    private static OnnxModel Network(int channels, bool last, DataType type)
    {
        GraphBuilder graph = new GraphBuilder("foreign").Input(
            "x",
            last ? ["N", Height, Width, channels] : ["N", channels, Height, Width],
            type
        );
        string x = "x";
        if (last)
        {
            graph.Node("Transpose", [x], ["first"], Attributes.Of("perm", [0, 3, 1, 2]));
            x = "first";
        }

        if (type != DataType.Float)
        {
            graph.Node("Cast", [x], ["float"], Attributes.Of("to", (long)DataType.Float));
            x = "float";
        }

        return graph
            .Initializer(RandomTensor.Of("w", 3, 6, channels, 3, 3))
            .Node("Conv", [x, "w"], ["conv"], Attributes.Of("strides", [2, 2]), Attributes.Of("pads", [1, 1, 1, 1]))
            .Node("Relu", ["conv"], ["features"])
            .Output("features", ["N", 6, Height / 2, Width / 2])
            .Build();
    }
}

internal static class InspectedParts
{
    public static PreprocessingParts Parts(this InspectedBackbone found) => PreprocessingParts.Of(found.Preprocessing);
}
