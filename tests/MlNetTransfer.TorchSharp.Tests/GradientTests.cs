using Microsoft.ML.OnnxRuntime;
using MlNetTransfer.Onnx;
using MlNetTransfer.Onnx.Proto;
using MlNetTransfer.Onnx.Torch;
using MlNetTransfer.Onnx.Training;
using static TorchSharp.torch;

namespace MlNetTransfer.TorchSharp.Tests;

/// <summary>
/// A training step of the default backbone with its head, by our own engine. Oracle: libtorch's autograd on the
/// archive.
/// </summary>
[TestClass]
public sealed class GradientTests
{
    private static readonly string Logits = OnnxModel
        .Load(Trained.Model)
        .Nodes.Single(n => n.OpType == "Softmax")
        .Input[0];

    private static readonly TorchExportOptions Export = new() { Output = Logits };

    public TestContext TestContext { get; set; } = null!;

    /// <summary>
    /// Roundings may turn the sign of a value at a rectifier's kink, and change some gradients below it by up to a
    /// thousandth; a wrong rule for a pad, a pool or a normalisation is off by far more.
    /// </summary>
    [TestMethod]
    public void Gradients_OfAllWeights_AreLibtorchs()
    {
        InTorch.Require();
        float[] images = [.. Trained.Images.Take(4).SelectMany(i => i)];
        long[] labels = [.. Trained.Labels.Take(4)];
        OnnxModel model = OnnxModel.Load(Trained.Model);
        (double expectedLoss, Dictionary<string, float[]> expected) = Libtorch(model, images, labels);
        (double loss, Dictionary<string, float[]> found) = Own(model, images, labels, [.. expected.Keys]);
        Assert.AreEqual(expectedLoss, loss, 1e-5 * expectedLoss);
        Assert.IsGreaterThan(60, expected.Count, "20 kernels, the scale and shift of each, and the head");
        foreach ((string name, float[] gradient) in expected)
        {
            double scale = gradient.Max(Math.Abs);
            double difference = gradient.Zip(found[name], (e, f) => Math.Abs((double)e - f)).Max() / scale;
            TestContext.WriteLine($"{name}: {difference:g3} of {scale:g3}");
            Assert.IsLessThan(5e-3, difference, name);
        }
    }

    /// <summary>
    /// Gradients by the names of the model's initializers: the archive brings them home in place of its weights.
    /// </summary>
    private static (double Loss, Dictionary<string, float[]> Gradients) Libtorch(
        OnnxModel model,
        float[] images,
        long[] labels
    )
    {
        string file = Trained.At("logits.pt"),
            gradients = Trained.At("gradients.pt");
        TorchScript.Write(model, file, Export);
        using IDisposable scope = NewDisposeScope();
        using jit.ScriptModule<Tensor, Tensor> net = jit.load<Tensor, Tensor>(file);
        net.eval();
        Tensor input = tensor(images, [labels.Length, 3, 224, 224]);
        Tensor loss = nn.functional.cross_entropy(net.call(input), tensor(labels));
        loss.backward();
        using (no_grad())
            foreach (var (_, parameter) in net.named_parameters())
                parameter.copy_(parameter.grad!);
        jit.save(net, gradients);
        Dictionary<string, TensorProto> before = model.Initializers.ToDictionary(i => i.Name);
        return (
            loss.item<float>(),
            model
                .WithWeights(TorchWeights.Read(gradients), Export)
                .Initializers.Where(i => i.DataType == (int)TensorProto.Types.DataType.Float)
                .Select(i => (i.Name, Values: TensorData.ToFloats(i)))
                .Where(i => !i.Values.AsSpan().SequenceEqual(TensorData.ToFloats(before[i.Name])))
                .ToDictionary()
        );
    }

    private static (double Loss, Dictionary<string, float[]> Gradients) Own(
        OnnxModel model,
        float[] images,
        long[] labels,
        string[] parameters
    )
    {
        ParameterGroup all = new() { Name = "all", Parameters = parameters };
        TrainingOptions options = new() { Objectives = [new Objective { Logits = Logits }], Groups = [all] };
        Dictionary<string, TensorProto> before = model.Initializers.ToDictionary(i => i.Name);
        TrainingGraph graph = new TrainingStepBuilder(model, options).Build(labels.Length, TrainingGraphKind.Gradients);
        int columns = graph.Objectives[0].Columns;
        float[] targets = new float[labels.Length * columns];
        for (int i = 0; i < labels.Length; i++)
            targets[i * columns + labels[i]] = 1;
        float[] weights = [.. labels.Select(_ => 1f / labels.Length)];
        // The weights are inputs too.
        Dictionary<string, OrtValue> inputs = [];
        IEnumerable<string> given = graph.Model.Inputs.Select(i => i.Name);
        foreach (TensorProto weight in given.Where(before.ContainsKey).Select(name => before[name]))
            inputs[weight.Name] = OrtValue.CreateTensorValueFromMemory(TensorData.ToFloats(weight), [.. weight.Dims]);
        inputs[model.Inputs[0].Name] = OrtValue.CreateTensorValueFromMemory(images, [labels.Length, 3, 224, 224]);
        inputs[TrainingGraph.Targets] = OrtValue.CreateTensorValueFromMemory(targets, [labels.Length, columns]);
        inputs[TrainingGraph.RowWeights] = OrtValue.CreateTensorValueFromMemory(weights, [labels.Length]);
        using SessionOptions quiet = new() { LogSeverityLevel = OrtLoggingLevel.ORT_LOGGING_LEVEL_ERROR };
        using InferenceSession session = new(graph.Model.ToBytes(), quiet);
        using RunOptions run = new();
        string[] outputs = [TrainingGraph.Loss, .. parameters.Select(p => $"gradient_of/{p}")];
        using IDisposableReadOnlyCollection<OrtValue> results = session.Run(run, inputs, outputs);
        foreach (OrtValue value in inputs.Values)
            value.Dispose();
        return (
            results[0].GetTensorDataAsSpan<float>()[0],
            parameters.Select((p, i) => (p, results[i + 1].GetTensorDataAsSpan<float>().ToArray())).ToDictionary()
        );
    }
}
