using MlNetTransfer.Onnx.Proto;
using MlNetTransfer.Onnx.Torch;
using MlNetTransfer.Onnx.Training;
using MlNetTransfer.Tests.Shared;

namespace MlNetTransfer.Onnx.Tests.Torch;

/// <summary>
/// Training in our own engine beside training in PyTorch on the exported archive: who goes on elsewhere starts where we
/// stopped.
/// </summary>
[TestClass]
public sealed class ArchiveTrainingTests
{
    private const string Steps = """
        import sys, numpy as np, torch
        torch.set_num_threads(1)
        folder, mode = sys.argv[1:]
        net = torch.jit.load(folder + "/model.pt").train(mode == "Training")
        x = torch.from_numpy(np.fromfile(folder + "/x", np.float32)).reshape(6, 3, 8, 8)
        labels = torch.from_numpy(np.fromfile(folder + "/labels", np.int64))
        optimiser = torch.optim.SGD(net.parameters(), lr=0.05, momentum=0.9)
        for _ in range(5):
            optimiser.zero_grad()
            torch.nn.functional.cross_entropy(net(x), labels).backward()
            optimiser.step()
        torch.save(net.state_dict(), folder + "/trained.pt")
        """;

    private static readonly int[] Shape = [6, 3, 8, 8];

    private static readonly float[] Images = Draw(1, 6 * 3 * 8 * 8);

    private static readonly long[] Labels = [0, 1, 2, 3, 1, 0];

    /// <summary>
    /// Sums of at most some thousand float32 products, in another order: 1e-5 of a tensor's largest gradient, where the
    /// product promises 1e-3.
    /// </summary>
    [TestMethod]
    [DataRow(true, BatchNormalizationMode.Inference)]
    [DataRow(true, BatchNormalizationMode.Training)]
    [DataRow(false, BatchNormalizationMode.Inference)]
    [DataRow(false, BatchNormalizationMode.Training)]
    public void Archive_LossAndGradientOfEveryParameter_AreOurEngines(bool torchNames, BatchNormalizationMode mode)
    {
        Python.Require("torch");
        using TempFolder folder = new();
        StepComparison step = NetworkStep.Compare(
            Network(torchNames),
            "logits",
            Images,
            Shape,
            Labels,
            mode,
            folder.Path
        );
        Assert.AreEqual(
            11,
            step.Tensors,
            "weights of three convolutions, weights and biases of three batch norms and of one layer"
        );
        Assert.AreEqual(step.TorchLoss, step.Loss, 1e-5);
        Assert.IsLessThan(1e-5, step.Difference, step.Worst);
        Assert.IsLessThan(1e-5, step.Error, step.Worst);
    }

    /// <summary>
    /// Weights, and in training mode running statistics, after five steps with momentum: some roundings of each.
    /// </summary>
    [TestMethod]
    [DataRow(true, BatchNormalizationMode.Inference)]
    [DataRow(true, BatchNormalizationMode.Training)]
    [DataRow(false, BatchNormalizationMode.Training)]
    public void Archive_FiveSteps_ComesHomeWithOurEnginesWeights(bool torchNames, BatchNormalizationMode mode)
    {
        Python.Require("torch");
        using TempFolder folder = new();
        OnnxModel model = Network(torchNames);
        string[] parameters =
        [
            .. model
                .Initializers.Select(i => i.Name)
                .Where(n =>
                    !n.Contains("running_", StringComparison.Ordinal)
                    && !n.Contains("moving_", StringComparison.Ordinal)
                    && n is not ("low" or "high")
                ),
        ];
        NetworkStep.Write(model, "logits", Images, Labels, folder.Path);
        Python.Run(Steps, folder.Path, mode.ToString());
        OnnxModel home = model.WithWeights(
            TorchWeights.Read(folder.File("trained.pt")),
            new TorchExportOptions { Output = "logits" }
        );
        using TrainingSession session = new(
            model,
            new TrainingOptions
            {
                Objectives = [new Objective { Logits = "logits" }],
                BatchNormalization = mode,
                Groups = [new ParameterGroup { Name = "all", Parameters = parameters }],
            }
        );
        float[] targets = [.. Labels.SelectMany(l => Enumerable.Range(0, 4).Select(c => c == l ? 1f : 0f))];
        for (int step = 0; step < 5; step++)
            session.Step(Images, targets, [], 0.05f);
        OnnxModel own = model.WithInitializers(session.Parameters());
        bool moved = false;
        foreach (TensorProto expected in home.Initializers)
        {
            float[] there = TensorData.ToFloats(expected),
                here = TensorData.ToFloats(own.Initializers.First(i => i.Name == expected.Name)),
                start = TensorData.ToFloats(model.Initializers.First(i => i.Name == expected.Name));
            for (int i = 0; i < here.Length; i++)
                Assert.AreEqual(there[i], here[i], 1e-5, $"{expected.Name}[{i}]");
            moved |= expected.Name.Contains("var", StringComparison.Ordinal) && !here.SequenceEqual(start);
        }

        Assert.AreEqual(mode == BatchNormalizationMode.Training, moved, "running variances follow the mode");
    }

    /// <summary>
    /// Convolution, depthwise convolution, pointwise convolution with a shortcut, each with batch norm; a layer on the
    /// mean over positions. Under torch's names and layout, or TensorFlow's.
    /// </summary>
    private static OnnxModel Network(bool torchNames)
    {
        GraphBuilder graph = new GraphBuilder()
            .Input("x", ["N", 3, 8, 8])
            .Initializer("low", [0f])
            .Initializer("high", [6f]);
        string Conv(string input, string name, int seed, long[] shape, params AttributeProto[] attributes)
        {
            string kernel = torchNames ? $"{name}.conv.weight" : $"net/{name}/conv/kernel";
            string[] norm = torchNames
                ? [$"{name}.norm.weight", $"{name}.norm.bias", $"{name}.norm.running_mean", $"{name}.norm.running_var"]
                :
                [
                    $"net/{name}/bn/gamma",
                    $"net/{name}/bn/beta",
                    $"net/{name}/bn/moving_mean",
                    $"net/{name}/bn/moving_variance",
                ];
            int channels = (int)shape[0];
            graph.Initializer(kernel, Draw(seed, (int)shape.Aggregate((a, b) => a * b)), shape);
            for (int i = 0; i < 4; i++)
                graph.Initializer(
                    norm[i],
                    [.. Draw(seed + i + 1, channels).Select(v => i is 0 or 3 ? 1 + v / 2 : v / 2)],
                    channels
                );
            graph
                .Node("Conv", [input, kernel], [name + "/c"], attributes)
                .Node("BatchNormalization", [name + "/c", .. norm], [name + "/n"], Attributes.Of("epsilon", 1e-3f));
            return name + "/n";
        }

        string stem = Conv(
            "x",
            "stem",
            10,
            [8, 3, 3, 3],
            Attributes.Of("pads", [1, 1, 1, 1]),
            Attributes.Of("strides", [2, 2])
        );
        graph.Node("Clip", [stem, "low", "high"], ["stem/r"]);
        string depthwise = Conv(
            "stem/r",
            "depthwise",
            20,
            [8, 1, 3, 3],
            Attributes.Of("pads", [1, 1, 1, 1]),
            Attributes.Of("group", 8)
        );
        graph.Node("Relu", [depthwise], ["depthwise/r"]);
        string pointwise = Conv("depthwise/r", "pointwise", 30, [8, 8, 1, 1]);
        graph
            .Node("Add", ["stem/r", pointwise], ["sum"])
            .Node("GlobalAveragePool", ["sum"], ["pool"])
            .Node("Flatten", ["pool"], ["features"]);
        if (torchNames)
            graph
                .Initializer("head.weight", Draw(40, 32), 4, 8)
                .Initializer("head.bias", Draw(41, 4), 4)
                .Node("Gemm", ["features", "head.weight", "head.bias"], ["logits"], Attributes.Of("transB", 1));
        else
            graph
                .Initializer("net/head/kernel", Draw(40, 32), 8, 4)
                .Initializer("net/head/bias", Draw(41, 4), 4)
                .Node("Gemm", ["features", "net/head/kernel", "net/head/bias"], ["logits"]);
        return graph
            .Node("Softmax", ["logits"], ["probabilities"], Attributes.Of("axis", 1))
            .Output("probabilities", ["N", 4])
            .Build();
    }

    private static float[] Draw(int seed, int count)
    {
        Random random = new(seed);
        return [.. Enumerable.Range(0, count).Select(_ => (float)(random.NextDouble() * 2 - 1))];
    }
}
