using MlNetTransfer.Backbones.Tfjs;
using MlNetTransfer.Onnx;
using MlNetTransfer.Tests.Shared;
using static MlNetTransfer.Tests.Backbones.Tfjs.TinyModel;

namespace MlNetTransfer.Tests.Backbones.Tfjs;

/// <summary>
/// Every layer against values worked out by hand. Images: channel 0 is 0..n row by row, channel 1 ten times that,
/// channel 2 a hundred times, unless said otherwise.
/// </summary>
[TestClass]
public sealed class LayersImporterTests
{
    private const string Linear = "'use_bias':false";

    /// <summary>
    /// SAME at stride 2 on 4x4 pads one row and column AFTER the image: the windows start at 0 and 2.
    /// </summary>
    [TestMethod]
    public void Conv2D_SameStride2_PadsAfter()
    {
        TinyModel tiny = new TinyModel(4).Weight("c/kernel", [3, 3, 3, 1], OnChannel0(9));
        OnnxModel model = tiny.ImportLayers(Layer("Conv2D", "c", "'strides':[2,2],'padding':'same'," + Linear));
        CollectionAssert.AreEqual(new[] { 45f, 39, 66, 50 }, tiny.Run(model, Ramp(4)));
        Assert.AreEqual("Float [N, 1, 2, 2]", model.DeclaredShape("c")!.ToString());
    }

    /// <summary>Keras MobileNetV2 pads [[0,1],[0,1]] and convolves VALID: the same windows.</summary>
    [TestMethod]
    public void ZeroPadding2D_ThenValid_IsTheSameAsSame()
    {
        TinyModel tiny = new TinyModel(4).Weight("c/kernel", [3, 3, 3, 1], OnChannel0(9));
        OnnxModel model = tiny.ImportLayers(
            Layer("ZeroPadding2D", "p", "'padding':[[0,1],[0,1]]"),
            Layer("Conv2D", "c", "'strides':[2,2],'padding':'valid'," + Linear, "p")
        );
        CollectionAssert.AreEqual(new[] { 45f, 39, 66, 50 }, tiny.Run(model, Ramp(4)));
    }

    [TestMethod]
    public void ZeroPadding2D_FourSides_EachGoesToItsSide()
    {
        TinyModel tiny = new(1);
        OnnxModel model = tiny.ImportLayers(Layer("ZeroPadding2D", "p", "'padding':[[1,0],[2,0]]"));
        CollectionAssert.AreEqual(new[] { 0f, 0, 0, 0, 0, 7 }, tiny.Run(model, (_, _, _) => 7)[..6]);
    }

    /// <summary>HWIO to OIHW: out0 = r + 2g + 3b + 0.5, out1 = 10r + 20g + 30b - 0.5.</summary>
    [TestMethod]
    public void Conv2D_Kernel_IsReorderedAndBiased()
    {
        TinyModel tiny = new TinyModel(1)
            .Weight("c/kernel", [1, 1, 3, 2], [1, 10, 2, 20, 3, 30])
            .Weight("c/bias", [2], [0.5f, -0.5f]);
        CollectionAssert.AreEqual(
            new[] { 1 + 4 + 9 + 0.5f, 140 - 0.5f },
            tiny.Run(tiny.ImportLayers(Layer("Conv2D", "c", "")), (_, _, c) => c + 1)
        );
    }

    /// <summary>
    /// A kernel one high and two wide with dilation 2 takes differences along the row: x[i] - x[i + 2] = -2.
    /// </summary>
    [TestMethod]
    public void Conv2D_WideDilatedKernel_KeepsItsOrientation()
    {
        TinyModel tiny = new TinyModel(4).Weight("c/kernel", [1, 2, 3, 1], [1, 0, 0, -1, 0, 0]);
        OnnxModel model = tiny.ImportLayers(Layer("Conv2D", "c", "'dilation_rate':[2,2]," + Linear));
        Assert.AreEqual("Float [N, 1, 4, 2]", model.DeclaredShape("c")!.ToString());
        CollectionAssert.AreEqual(Enumerable.Repeat(-2f, 8).ToArray(), tiny.Run(model, Ramp(4)));
    }

    /// <summary>Multiplier 2: output channel 2c + m is input channel c times kernel[c, m].</summary>
    [TestMethod]
    public void DepthwiseConv2D_Multiplier_OrdersItsChannels()
    {
        TinyModel tiny = new TinyModel(1).Weight("d/depthwise_kernel", [1, 1, 3, 2], [1, 2, 3, 4, 5, 6]);
        CollectionAssert.AreEqual(
            new[] { 1f, 2, 30, 40, 500, 600 },
            tiny.Run(
                tiny.ImportLayers(Layer("DepthwiseConv2D", "d", Linear)),
                (_, _, c) =>
                    c switch
                    {
                        0 => 1,
                        1 => 10,
                        _ => 100,
                    }
            )
        );
    }

    [TestMethod]
    public void SeparableConv2D_IsDepthwiseThenPointwise()
    {
        TinyModel tiny = new TinyModel(1)
            .Weight("s/depthwise_kernel", [1, 1, 3, 1], [1, 2, 3])
            .Weight("s/pointwise_kernel", [1, 1, 3, 1], [1, 10, 100])
            .Weight("s/bias", [1], [0.5f]);
        CollectionAssert.AreEqual(
            new[] { 321.5f },
            tiny.Run(tiny.ImportLayers(Layer("SeparableConv2D", "s", "")), (_, _, _) => 1)
        );
    }

    /// <summary>Without scale, and with a variance of exactly 0, ε = 0.25 decides: (x - 1) / 0.5 + 3.</summary>
    [TestMethod]
    public void BatchNormalization_NoScaleZeroVariance_UsesEpsilon()
    {
        TinyModel tiny = new TinyModel(1)
            .Weight("b/beta", [3], [3, 3, 3])
            .Weight("b/moving_mean", [3], [1, 1, 1])
            .Weight("b/moving_variance", [3], [0, 0, 2]);
        float[] y = tiny.Run(
            tiny.ImportLayers(Layer("BatchNormalization", "b", "'axis':3,'epsilon':0.25,'scale':false,'center':true")),
            (_, _, c) => c
        );
        Assert.AreEqual(1, y[0], 1e-6);
        Assert.AreEqual(3, y[1], 1e-6);
        Assert.AreEqual(3 + 1 / 1.5, y[2], 1e-6);
    }

    /// <summary>The corner's window holds four real values; padding is not counted.</summary>
    [TestMethod]
    public void AveragePooling2D_Same_LeavesPaddingOutOfTheMean()
    {
        TinyModel tiny = new(3);
        float[] y = tiny.Run(
            tiny.ImportLayers(Layer("AveragePooling2D", "a", "'pool_size':[3,3],'strides':[1,1],'padding':'same'")),
            Ramp(3)
        );
        CollectionAssert.AreEqual(new[] { 2f, 2.5f, 3 }, y[..3]);
    }

    [TestMethod]
    public void MaxPooling2D_SameOfNegatives_NeverTakesThePadding()
    {
        TinyModel tiny = new(3);
        float[] y = tiny.Run(
            tiny.ImportLayers(Layer("MaxPooling2D", "a", "'pool_size':[2,2],'strides':[2,2],'padding':'same'")),
            (y, x, _) => -1 - (y * 3 + x)
        );
        CollectionAssert.AreEqual(new[] { -1f, -3, -7, -9 }, y[..4]);
    }

    [TestMethod]
    [DataRow("ReLU", "'max_value':6", new[] { 0f, 6 })]
    [DataRow("ReLU", "'max_value':null", new[] { 0f, 8 })]
    [DataRow("LeakyReLU", "'alpha':0.5", new[] { -2f, 8 })]
    [DataRow("Activation", "'activation':'relu6'", new[] { 0f, 6 })]
    [DataRow("Activation", "'activation':'linear'", new[] { -4f, 8 })]
    [DataRow("Activation", "'activation':'hard_sigmoid'", new[] { 0f, 1 })]
    [DataRow("Dropout", "'rate':0.5", new[] { -4f, 8 })]
    public void Activations_TwoValues_AreAsDefined(string className, string config, float[] expected)
    {
        TinyModel tiny = new(1);
        CollectionAssert.AreEqual(
            expected,
            tiny.Run(tiny.ImportLayers(Layer(className, "a", config)), (_, _, c) => c == 0 ? -4 : 8)[..2]
        );
    }

    /// <summary>
    /// Flatten goes row, column, channel, whatever the layout inside; softmax of (0, ln 3) is (1/4, 3/4).
    /// </summary>
    [TestMethod]
    public void Flatten_ThenDense_SeesTensorFlowsOrder()
    {
        float[] weights = new float[24];
        weights[1 * 3 * 2 + 2 * 2 + 1] = 1;
        TinyModel tiny = new TinyModel(2).Weight("d/kernel", [12, 2], weights).Weight("d/bias", [2], [0, 0]);
        OnnxModel model = tiny.ImportLayers(
            Layer("Flatten", "f", ""),
            Layer("Dense", "d", "'activation':'softmax'", "f")
        );
        float[] y = tiny.Run(model, (row, column, c) => (row, column, c) == (0, 1, 2) ? MathF.Log(3) : 0);
        Assert.AreEqual(0.25, y[0], 1e-6);
        Assert.AreEqual(0.75, y[1], 1e-6);
    }

    /// <summary>One row is not one pixel: [1, 2, 3] goes column by column, channels innermost.</summary>
    [TestMethod]
    public void Flatten_OfOneRow_SeesTensorFlowsOrder()
    {
        TinyModel tiny = new(2);
        OnnxModel model = tiny.ImportLayers(
            Layer("MaxPooling2D", "p", "'pool_size':[2,1],'strides':[2,1]"),
            Layer("Flatten", "f", "", "p")
        );
        CollectionAssert.AreEqual(new[] { 2f, 20, 200, 3, 30, 300 }, tiny.Run(model, Ramp(2)));
    }

    [TestMethod]
    public void Branches_AddMultiplyConcatenatePool_Agree()
    {
        TinyModel tiny = new(2);
        OnnxModel model = tiny.ImportLayers(
            Layer("Add", "sum", "", "in", "in", "in"),
            Layer("Multiply", "square", "", "in", "in"),
            Layer("Concatenate", "both", "'axis':3", "sum", "square"),
            Layer("GlobalAveragePooling2D", "mean", "", "both")
        );
        CollectionAssert.AreEqual(
            new[] { 4.5f, 0, 0, 3.5f, 0, 0 },
            tiny.Run(model, (y, x, c) => c == 0 ? y * 2 + x : 0)
        );
        Assert.AreEqual("Float [N, 6, 2, 2]", model.DeclaredShape("both")!.ToString());
        CollectionAssert.IsSubsetOf(
            new[] { "sum", "square", "both", "mean" },
            model.Nodes.SelectMany(n => n.Output).ToArray()
        );
    }

    /// <summary>Teachable Machine's form: a sequential model of models. y = 2 · mean(3x).</summary>
    [TestMethod]
    public void Sequential_OfModels_IsImported()
    {
        TinyModel tiny = new TinyModel(2).Weight("c/kernel", [1, 1, 3, 1], [3, 0, 0]).Weight("d/kernel", [1, 1], [2]);
        string inner =
            $"{{'class_name':'Model','config':{{'name':'inner','layers':[{{'class_name':'InputLayer','name':'inner_in','config':{{'name':'inner_in','batch_input_shape':[null,2,2,3]}},'inbound_nodes':[]}},"
            + Layer("Conv2D", "c", Linear, "inner_in")
            + ","
            + Layer("GlobalAveragePooling2D", "g", "", "c")
            + "],'input_layers':[['inner_in',0,0]],'output_layers':[['g',0,0]]}}";
        string head =
            $"{{'class_name':'Sequential','config':{{'name':'head','layers':[{{'class_name':'Dense','config':{{'name':'d',{Linear},'batch_input_shape':[null,1]}}}}]}}}}";
        using TempFolder folder = new();
        OnnxModel model = TfjsImporter.Import(
            tiny.Write(
                folder.Path,
                $"{{'model_config':{{'class_name':'Sequential','config':{{'layers':[{inner},{head}]}}}}}}"
            )
        );
        CollectionAssert.AreEqual(new[] { 9f }, tiny.Run(model, Ramp(2)));
    }

    [TestMethod]
    [DataRow("Lambda", "", "layer 'x' (Lambda) is of a class that cannot be imported yet")]
    [DataRow("Activation", "'activation':'gelu'", "has activation 'gelu'")]
    [DataRow("Conv2D", "'data_format':'channels_first','use_bias':false", "channels_first")]
    [DataRow("Conv2D", "'padding':'causal','use_bias':false", "causal")]
    [DataRow("Conv2D", "", "has no weight 'x/bias'")]
    [DataRow("BatchNormalization", "'axis':1", "axis 1")]
    public void Import_WhatIsNotKnown_NamesLayerAndFile(string className, string config, string expected)
    {
        TinyModel tiny = new TinyModel(2).Weight("x/kernel", [1, 1, 3, 1], [1, 1, 1]);
        TfjsException error = Assert.ThrowsExactly<TfjsException>(() =>
            tiny.ImportLayers(Layer(className, "x", config))
        );
        StringAssert.Contains(error.Message, expected);
        StringAssert.Contains(error.Message, "model.json");
        StringAssert.Contains(error.Message, "'x'");
    }

    private static Func<int, int, int, float> Ramp(int size) =>
        (y, x, c) =>
            (y * size + x)
            * (
                c switch
                {
                    0 => 1,
                    1 => 10,
                    _ => 100,
                }
            );

    private static float[] OnChannel0(int pixels) =>
        [.. Enumerable.Range(0, pixels * 3).Select(i => i % 3 == 0 ? 1f : 0)];
}
