using System.Diagnostics;
using System.Globalization;
using System.Runtime.InteropServices;
using System.Text.Json;
using Microsoft.ML.OnnxRuntime;
using MlNetTransfer.Onnx;
using MlNetTransfer.Onnx.Proto;
using MlNetTransfer.Onnx.Torch;
using MlNetTransfer.Onnx.Training;

namespace MlNetTransfer.Tests.Shared;

/// <summary>
/// One training step of a network as our own engine does it from the ONNX model, and as PyTorch does it from the
/// TorchScript archive of that model.
/// </summary>
internal static class NetworkStep
{
    /// <summary>
    /// Arguments: a folder with model.pt, x and labels; shape of x; train or eval. Writes state dictionaries:
    /// gradients.pt, double.pt (gradients of float64) and parameters.pt, in which every element of a parameter is NaN.
    /// Prints the losses.
    /// </summary>
    private const string Script = """
        import sys, json, numpy as np, torch
        torch.set_num_threads(2)
        folder, shape, mode = sys.argv[1], json.loads(sys.argv[2]), sys.argv[3]
        x = torch.from_numpy(np.fromfile(folder + "/x", np.float32)).reshape(shape)
        labels = torch.from_numpy(np.fromfile(folder + "/labels", np.int64))
        losses = []
        for dtype, file in ((torch.float32, "gradients.pt"), (torch.float64, "double.pt")):
            net = torch.jit.load(folder + "/model.pt").to(dtype).train(mode == "train")
            state = {n: v.clone() for n, v in net.state_dict().items()}
            loss = torch.nn.functional.cross_entropy(net(x.to(dtype)), labels)
            loss.backward()
            losses.append(loss.item())
            torch.save({n: v.float() if v.is_floating_point() else v for n, v in {**state, **{n: p.grad for n, p in net.named_parameters()}}.items()}, folder + "/" + file)
        torch.save({**state, **{n: torch.full_like(p, float("nan"), dtype=torch.float32) for n, p in net.named_parameters()}}, folder + "/parameters.pt")
        print(json.dumps(losses))
        """;

    /// <summary>Writes the archive, runs both, and compares.</summary>
    /// <param name="model">The model; its initializers are its weights.</param>
    /// <param name="logits">The tensor [N, C] that cross-entropy takes.</param>
    /// <param name="x">Images.</param>
    /// <param name="shape">Their shape [N, ...].</param>
    /// <param name="labels">A class for each.</param>
    /// <param name="mode">Statistics of batch normalisation: PyTorch's eval() or train().</param>
    /// <param name="folder">For files.</param>
    public static StepComparison Compare(
        OnnxModel model,
        string logits,
        float[] x,
        int[] shape,
        long[] labels,
        BatchNormalizationMode mode,
        string folder
    )
    {
        TorchExportOptions export = new() { Output = logits };
        Write(model, logits, x, labels, folder);
        double[] losses = JsonSerializer.Deserialize<double[]>(
            Python(folder, JsonSerializer.Serialize(shape), mode == BatchNormalizationMode.Training ? "train" : "eval")
        )!;
        // The import brings torch's values into the model's own layout and under its own names.
        Dictionary<string, float[]> single = Read(model, export, folder, "gradients.pt"),
            twice = Read(model, export, folder, "double.pt");
        string[] parameters =
        [
            .. Read(model, export, folder, "parameters.pt")
                .Where(p => p.Value.Length > 0 && p.Value.All(float.IsNaN))
                .Select(p => p.Key),
        ];
        OnnxModel archived = model.WithWeights(TorchWeights.Read(Path.Combine(folder, "model.pt")), export);
        (double loss, Dictionary<string, float[]> own) = Gradients(
            archived,
            logits,
            x,
            shape,
            labels,
            mode,
            parameters
        );
        double largest = parameters.Max(p => twice[p].Max(Math.Abs));
        double Error(Dictionary<string, float[]> found, string parameter) =>
            Difference(twice[parameter], found[parameter], 1e-4 * largest);
        string worst = parameters.MaxBy(p => Error(own, p))!;
        return new StepComparison(
            parameters.Length,
            loss,
            losses[0],
            losses[1],
            worst,
            Error(own, worst),
            parameters.Max(p => Error(single, p)),
            parameters.Max(p => Difference(single[p], own[p], 1e-4 * largest))
        );
    }

    /// <summary>Writes model.pt, x and labels for PyTorch.</summary>
    public static void Write(OnnxModel model, string logits, float[] x, long[] labels, string folder)
    {
        TorchScript.Write(model, Path.Combine(folder, "model.pt"), new TorchExportOptions { Output = logits });
        File.WriteAllBytes(Path.Combine(folder, "x"), MemoryMarshal.AsBytes(x.AsSpan()).ToArray());
        File.WriteAllBytes(Path.Combine(folder, "labels"), MemoryMarshal.AsBytes(labels.AsSpan()).ToArray());
    }

    private static (double Loss, Dictionary<string, float[]> Gradients) Gradients(
        OnnxModel model,
        string logits,
        float[] x,
        int[] shape,
        long[] labels,
        BatchNormalizationMode mode,
        string[] parameters
    )
    {
        TrainingOptions options = new()
        {
            Objectives = [new Objective { Logits = logits }],
            BatchNormalization = mode,
            Groups = [new ParameterGroup { Name = "all", Parameters = parameters }],
        };
        TrainingGraph graph = new TrainingStepBuilder(model, options).Build(shape[0], TrainingGraphKind.Gradients);
        int columns = graph.Objectives[0].Columns;
        float[] targets = new float[shape[0] * columns];
        for (int i = 0; i < labels.Length; i++)
            targets[i * columns + labels[i]] = 1;
        Dictionary<string, OrtValue> values = new()
        {
            [model.Inputs[0].Name] = OrtValue.CreateTensorValueFromMemory(x, [.. shape.Select(d => (long)d)]),
            [TrainingGraph.Targets] = OrtValue.CreateTensorValueFromMemory(targets, [shape[0], columns]),
            [TrainingGraph.RowWeights] = OrtValue.CreateTensorValueFromMemory(
                [.. Enumerable.Repeat(1f / shape[0], shape[0])],
                [shape[0]]
            ),
        };
        try
        {
            // Statistics that a training graph updates are inputs too.
            foreach (ValueInfoProto input in graph.Model.Inputs.Where(i => !values.ContainsKey(i.Name)))
            {
                TensorProto start = model.Initializers.First(i => i.Name == input.Name);
                values[input.Name] = OrtValue.CreateTensorValueFromMemory(TensorData.ToFloats(start), [.. start.Dims]);
            }

            using SessionOptions running = new()
            {
                IntraOpNumThreads = 2,
                LogSeverityLevel = OrtLoggingLevel.ORT_LOGGING_LEVEL_ERROR,
            };
            using InferenceSession session = new(graph.Model.ToBytes(), running);
            using RunOptions run = new();
            string[] wanted = [TrainingGraph.Loss, .. parameters.Select(p => $"gradient_of/{p}")];
            using IDisposableReadOnlyCollection<OrtValue> results = session.Run(
                run,
                values.Keys,
                values.Values,
                wanted
            );
            return (
                results[0].GetTensorDataAsSpan<float>()[0],
                parameters.Select((p, i) => (p, results[i + 1].GetTensorDataAsSpan<float>().ToArray())).ToDictionary()
            );
        }
        finally
        {
            foreach (OrtValue value in values.Values)
                value.Dispose();
        }
    }

    private static Dictionary<string, float[]> Read(
        OnnxModel model,
        TorchExportOptions export,
        string folder,
        string file
    ) =>
        model
            .WithWeights(TorchWeights.Read(Path.Combine(folder, file)), export)
            .Initializers.Where(i => i.DataType == (int)TensorProto.Types.DataType.Float)
            .ToDictionary(i => i.Name, TensorData.ToFloats);

    /// <summary>
    /// Largest difference relative to the tensor's largest gradient, or to the floor where all vanish.
    /// </summary>
    private static double Difference(float[] expected, float[] found, double floor)
    {
        if (expected.Length != found.Length)
            return double.PositiveInfinity;
        double difference = expected.Zip(found, (e, f) => Math.Abs((double)e - f)).Max();
        return double.IsNaN(difference)
            ? double.PositiveInfinity
            : difference / Math.Max(floor, expected.Max(Math.Abs));
    }

    private static string Python(params string[] arguments)
    {
        ProcessStartInfo info = new(
            File.Exists("/usr/bin/python3") ? "/usr/bin/python3" : "python3",
            ["-c", Script, .. arguments]
        )
        {
            RedirectStandardOutput = true,
        };
        using Process python = Process.Start(info)!;
        string output = python.StandardOutput.ReadToEnd();
        python.WaitForExit();
        return python.ExitCode == 0
            ? output
            : throw new InvalidOperationException(
                string.Create(CultureInfo.InvariantCulture, $"Python failed ({python.ExitCode}); see standard error.")
            );
    }
}
