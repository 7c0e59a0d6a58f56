using System.Diagnostics.Metrics;
using MlNetTransfer.Onnx.Proto;
using MlNetTransfer.Onnx.Runtime;
using MlNetTransfer.Tests.Shared;

namespace MlNetTransfer.Onnx.Tests.Runtime;

[TestClass]
public sealed class OrtSessionTests
{
    [TestMethod]
    public void Open_NoGraph_SaysWhatWasNotLoadedByWhichVersion()
    {
        GraphException error = Assert.ThrowsExactly<GraphException>(() =>
            new OrtSession([1, 2, 3], OrtSettings.Default, "the training graph")
        );
        StringAssert.StartsWith(
            error.Message,
            $"ONNX Runtime {OrtSession.RuntimeVersion} cannot load the training graph: "
        );
        StringAssert.EndsWith(error.Message, OrtSession.Said(error));
        Assert.AreEqual(OrtSession.Said(error.InnerException!), OrtSession.Said(error));
        Assert.DoesNotContain('\n', error.Message);
    }

    [TestMethod]
    public void Said_AnotherException_IsNull() => Assert.IsNull(OrtSession.Said(new GraphException("mine")));

    [TestMethod]
    public void Provider_Fails_ItsOwnExceptionComesThrough()
    {
        OrtSettings settings = OrtSettings.Default with
        {
            Provider = _ => throw new NotSupportedException("no device"),
        };
        Assert.ThrowsExactly<NotSupportedException>(() => new OrtSession(Models.Chain().ToBytes(), settings, "it"));
    }

    [TestMethod]
    public void RunOnZeros_AnyElementType_FeedsZeros()
    {
        OnnxModel model = new GraphBuilder()
            .Input("number", [2])
            .Input("index", [3], TensorProto.Types.DataType.Int64)
            .Node("Exp", ["number"], ["one"])
            .Node("Identity", ["index"], ["same"])
            .Output("one", [2])
            .Output("same", [3], TensorProto.Types.DataType.Int64)
            .Build();
        using OrtSession session = new(model.ToBytes(), OrtSettings.AsWritten, "it");
        using var results = session.RunOnZeros(["same", "one"]);
        CollectionAssert.AreEqual(new long[3], results[0].GetTensorDataAsSpan<long>().ToArray());
        CollectionAssert.AreEqual(new[] { 1f, 1f }, results[1].GetTensorDataAsSpan<float>().ToArray());
    }

    [TestMethod]
    public void Simplifying_WritesTheGraphWithConstantsFolded()
    {
        using var folder = new TempFolder();
        OnnxModel model = new GraphBuilder()
            .Input("x", [2])
            .Initializer("three", [3f])
            .Node("Neg", ["three"], ["minus"])
            .Node("Mul", ["x", "minus"], ["y"])
            .Output("y", [2])
            .Build();
        new OrtSession(model.ToBytes(), OrtSettings.Simplifying(folder.File("m.onnx")), "it").Dispose();
        Assert.AreEqual("Mul", OnnxModel.Load(folder.File("m.onnx")).Nodes.Single().OpType);
    }

    /// <summary>Alone, because every session of the process counts.</summary>
    [TestMethod]
    [DoNotParallelize]
    public void Meter_CountsWhatIsOpen()
    {
        int seen = 0;
        using MeterListener listener = new()
        {
            InstrumentPublished = (instrument, l) =>
            {
                if (instrument.Meter.Name == "MlNetTransfer.OnnxRuntime")
                    l.EnableMeasurementEvents(instrument);
            },
        };
        listener.SetMeasurementEventCallback<int>(
            (instrument, value, _, _) => seen = instrument.Name == "mlnettransfer.onnxruntime.sessions" ? value : -1
        );
        listener.Start();
        byte[] model = Models.Chain().ToBytes();
        int Open()
        {
            listener.RecordObservableInstruments();
            return seen;
        }

        using OrtSession first = new(model, OrtSettings.Default, "it");
        int before = Open();
        using (OrtSession second = new(model, OrtSettings.Default, "it"))
        {
            Assert.ThrowsExactly<GraphException>(() => new OrtSession([1], OrtSettings.Default, "it"));
            Assert.AreEqual(before + 1, Open());
            second.Dispose();
            Assert.AreEqual(before, Open());
        }

        Assert.AreEqual(before, Open(), "what is disposed twice is closed once");
        TensorShapes.Of(Models.Chain(), "a");
        Assert.AreEqual(before, Open());
    }
}
