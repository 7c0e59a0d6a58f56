using Microsoft.ML;
using Microsoft.ML.Data;
using MlNetTransfer.Imaging;
using MlNetTransfer.Models;
using MlNetTransfer.Tests.Shared;

namespace MlNetTransfer.MLNet.Tests;

/// <summary>A model that does not agree with what was evaluated is not handed out.</summary>
[TestClass]
public sealed class StockModelTests
{
    [TestMethod]
    public void Build_ProbabilitiesAsEvaluated_IsKept()
    {
        using var folder = new TempFolder();
        using var model = (IDisposable)Build(folder, Classes(), _ => { });
        CollectionAssert.AreEqual(new[] { folder.File("model.onnx") }, Directory.GetFiles(folder.Path), "the renamed model is removed");
    }

    [TestMethod]
    public void Build_OneProbabilityIsAnother_IsRefused()
    {
        using var folder = new TempFolder();
        TransferException e = Assert.ThrowsExactly<TransferException>(() => Build(folder, Classes(), p => p[^1] += 0.01f));
        StringAssert.Contains(e.Message, "on 2 images it differs from the evaluated one by up to 0.01");
        CollectionAssert.AreEqual(new[] { folder.File("model.onnx") }, Directory.GetFiles(folder.Path), "the renamed model is removed");
    }

    [TestMethod]
    public void Build_LabelsThatAreNotTheLikeliest_IsRefused()
    {
        using var folder = new TempFolder();
        TransferException e = Assert.ThrowsExactly<TransferException>(() => Build(folder, new Reversed(Classes()) { Names = Classes().Names }, _ => { }));
        StringAssert.Contains(e.Message, "2 of its predicted labels are not the likeliest");
    }

    private static ITransformer Build(TempFolder folder, ClassKeys classes, Action<float[]> change)
    {
        File.Copy(Trained.Onnx, folder.File("model.onnx"));
        return new StockModel(Trained.Options, classes).Build(folder.File("model.onnx"), Preprocessing, Sample(change));
    }

    private static Preprocessing Preprocessing => Model(m => m.Metadata.Preprocessing);

    private static ClassKeys Classes() => ClassKeys.Of(Trained.Chain.GetOutputSchema(Trained.Context.Data.LoadFromEnumerable(ImageFile.All).Schema)["Class"]);

    private static ParitySample Sample(Action<float[]> change)
    {
        float[][] tensors = [new float[Preprocessing.TensorLength], [.. Enumerable.Repeat(0.5f, Preprocessing.TensorLength)]];
        float[] expected = Model(m => m.Predict(tensors));
        change(expected);
        return new ParitySample([], expected) { Tensors = tensors };
    }

    private static T Model<T>(Func<TransferModel, T> read)
    {
        using TransferModel model = TransferModel.Load(Trained.Onnx);
        return read(model);
    }

    /// <summary>Classes whose keys are in the wrong order.</summary>
    private sealed class Reversed(ClassKeys right) : ClassKeys
    {
        public override IDataView Rows(MLContext context) => context.Data.LoadFromEnumerable(right.Names.Reverse().Select((name, i) => new Row { Index = [right.Names.Count - 1 - i], Value = name }));
    }

    private sealed class Row
    {
        [VectorType(1)]
        public long[] Index { get; set; } = [];

        public string Value { get; set; } = "";
    }
}
