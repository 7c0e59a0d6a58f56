using System.Diagnostics;
using System.Runtime.InteropServices;
using System.Text.Json.Nodes;
using Microsoft.ML.OnnxRuntime;
using Microsoft.ML.OnnxRuntime.Tensors;
using MlNetTransfer.Backbones;
using MlNetTransfer.Onnx;
using MlNetTransfer.Onnx.Proto;
using MlNetTransfer.Onnx.Torch;
using MlNetTransfer.Onnx.Training;
using MlNetTransfer.Tests.Shared;

namespace MlNetTransfer.Experiments;

/// <summary>
/// Exports to torch beside the originals: torchvision's networks beside their own modules (outputs, loss, gradients),
/// the catalog's backbones beside ONNX Runtime; a training step in PyTorch on the archive beside that of our own
/// engine; and back again.
/// </summary>
internal static class TorchExportExperiment
{
    private static readonly string[] Networks =
    [
        "torchvision/resnet18",
        "torchvision/mobilenet_v2",
        "torchvision/densenet121",
        "torchvision/efficientnet_b0",
        "torchvision/convnext_tiny",
    ];

    /// <summary>Largest difference of a gradient, relative to the largest of its tensor.</summary>
    private const double Allowed = 1e-3;

    private const string Export = """
        import sys, warnings, torch, torchvision.models as tv
        warnings.simplefilter("ignore")
        torch.manual_seed(1)
        module = getattr(tv, sys.argv[2])(num_classes=10).eval()
        for m in module.modules():
            if isinstance(m, torch.nn.BatchNorm2d): m.running_mean.normal_(0, 0.1); m.running_var.uniform_(0.5, 1.5)
            if hasattr(m, "layer_scale"): torch.nn.init.uniform_(m.layer_scale, 0.5, 1.5)
            if type(m).__name__ in ("Dropout", "StochasticDepth"): m.p = 0.0
        torch.save(module, sys.argv[1] + "/module")
        torch.onnx.export(module, torch.randn(1, 3, 64, 64), sys.argv[1] + "/model.onnx", opset_version=16,
                          input_names=["image"], output_names=["logits"],
                          dynamic_axes={"image": {0: "N"}, "logits": {0: "N"}},
                          training=torch.onnx.TrainingMode.PRESERVE, do_constant_folding=False)
        """;

    private const string Check = """
        import sys, os, json, numpy as np, torch
        torch.manual_seed(2)
        torch.set_num_threads(2)
        folder, size, path = sys.argv[1], int(sys.argv[2]), sys.argv[1] + "/module"
        net = torch.jit.load(folder + "/model.pt")
        x = torch.from_numpy(np.fromfile(folder + "/x", np.float32)).reshape(-1, 3, size, size)
        y = torch.from_numpy(np.fromfile(folder + "/y", np.float32))
        facts = {}
        with torch.no_grad(): facts.update(output=(net(x).flatten() - y).abs().max().item())
        facts["largest"] = y.abs().max().item()
        state = net.state_dict()
        data, at, tensors = open(folder + "/Net.dat", "rb").read(), 0, {}
        def leb():
            global at
            value = shift = 0
            while True:
                b = data[at]; at += 1; value |= (b & 127) << shift; shift += 7
                if b < 128: return value
        for _ in range(leb()):
            n = leb(); name = data[at:at + n].decode(); at += n
            kind = {4: "<i8", 6: "<f4"}[leb()]
            shape = [leb() for _ in range(leb())]; count = int(np.prod(shape)) if shape else 1
            tensors[name] = torch.from_numpy(np.frombuffer(data, kind, count, at).reshape(shape).copy())
            at += count * int(kind[2])
        assert at == len(data) and list(tensors) and set(tensors) == set(state)
        assert all(torch.equal(state[n], tensors[n]) for n in state)
        facts["tensors"] = len(tensors)
        if os.path.exists(path):
            oracle = torch.load(path)
            with torch.no_grad(): facts["module"] = (net(x) - oracle(x)).abs().max().item()
            assert set(oracle.state_dict()) == set(state)
        losses, gradients = [], []
        for m in ([oracle] if os.path.exists(path) else []) + [net]:
            m.train()
            out = m(x)
            if out.dim() == 2: loss = torch.nn.functional.cross_entropy(out, torch.arange(len(x)) % 5)
            else: loss = out.square().mean()
            loss.backward()
            losses.append(loss.item()); gradients.append({n: p.grad for n, p in m.named_parameters()})
        assert all(g is not None and torch.isfinite(g).all() for g in gradients[-1].values())
        facts.update(loss=losses[-1], gradients=len(gradients[-1]))
        if len(losses) == 2:
            relative = lambda a, b: ((a - b).norm() / (a.norm() + 1e-12)).item()
            facts["lossOff"] = abs(losses[0] - losses[1])
            facts["gradientsOff"] = max(relative(gradients[0][n], g) for n, g in gradients[1].items())
        optimiser = torch.optim.SGD(net.parameters(), 1e-3)
        optimiser.step(); net.eval()
        torch.save(net.state_dict(), folder + "/trained.pt")
        with torch.no_grad(): net(x).numpy().tofile(folder + "/trained")
        print(json.dumps(facts))
        """;

    public static int Run(string[] args, Experiment experiment)
    {
        BackboneCatalog catalog = BackboneCatalog.Shipped;
        string[] wanted = args.Length > 0 ? args : [.. Networks, .. catalog.Cards.Select(c => c.Id)];
        Tables tables = new(
            experiment.Table(
                "Exports: outputs beside ONNX Runtime's (largest difference, largest output), tensors of the .dat file "
                    + "that equal the archive's, beside PyTorch's own module where there is one (output, loss, "
                    + "gradients relative to their norms), and predictions with the weights trained in "
                    + "PyTorch brought back",
                Column.Text("network", 28),
                Column.Number("writeSeconds", "0.00"),
                Column.Number("megabytes", "0.0"),
                Column.Number("outputOff", "0.0e+00"),
                Column.Number("largest", "g2"),
                Column.Number("tensors"),
                Column.Number("moduleOff", "0.0e+00"),
                Column.Number("loss", "0.000000"),
                Column.Number("gradients"),
                Column.Number("lossOff", "0.0e+00"),
                Column.Number("gradientsOff", "0.0e+00"),
                Column.Number("readSeconds", "0.00"),
                Column.Number("predictionsOff", "0.0e+00"),
                Column.Number("largestPrediction", "g2")
            ),
            experiment.Table(
                "A training step on 8 images: our loss, PyTorch's difference from it, and the gradient furthest from "
                    + "PyTorch's; error of ours and of PyTorch's from float64; relative to the largest of the tensor",
                Column.Text("network", 28),
                Column.Text("batchNorm", 21),
                Column.Number("loss", "0.000000"),
                Column.Number("lossOff", "0.0e+00"),
                Column.Number("gradients"),
                Column.Number("gradientsOff", "0.0e+00"),
                Column.Number("error", "0.0e+00"),
                Column.Number("pytorchError", "0.0e+00"),
                Column.Text("worst")
            )
        );
        foreach (string name in wanted)
        {
            using Scratch folder = new();
            if (Networks.Contains(name))
                Network(tables, name, folder.Path);
            else
                Compare(tables, name, new BackboneStore(catalog).Open(name).LoadModel(), folder.Path);
        }

        return 0;
    }

    private static void Network(Tables tables, string name, string folder)
    {
        Python(Export, folder, name.Split('/')[1]);
        Compare(tables, name, OnnxModel.Load(Path.Combine(folder, "model.onnx")), folder);
    }

    private static void Compare(Tables tables, string name, OnnxModel model, string folder)
    {
        int size = (int)model.DeclaredShape(model.Inputs[0].Name)!.Dimensions[2].Size!.Value;
        Rng rng = new(1);
        float[] x = [.. Enumerable.Range(0, 4 * 3 * size * size).Select(_ => (float)rng.NextDouble())];
        File.WriteAllBytes(Path.Combine(folder, "x"), MemoryMarshal.AsBytes(x.AsSpan()).ToArray());
        File.WriteAllBytes(
            Path.Combine(folder, "y"),
            MemoryMarshal.AsBytes(Predict(model, x, size).AsSpan()).ToArray()
        );
        long start = Stopwatch.GetTimestamp();
        TorchScript.Write(model, Path.Combine(folder, "model.pt"));
        double seconds = Stopwatch.GetElapsedTime(start).TotalSeconds;
        TorchSharpExport.Write(model, folder, "Net");
        JsonNode facts = JsonNode.Parse(Python(Check, folder, FormattableString.Invariant($"{size}")))!;
        start = Stopwatch.GetTimestamp();
        OnnxModel home = model.WithWeights(TorchWeights.Read(Path.Combine(folder, "trained.pt")));
        double importSeconds = Stopwatch.GetElapsedTime(start).TotalSeconds;
        float[] expected = MemoryMarshal
                .Cast<byte, float>(File.ReadAllBytes(Path.Combine(folder, "trained")))
                .ToArray(),
            found = Predict(home, x, size);
        tables.Exports.Add(
            name,
            seconds,
            new FileInfo(Path.Combine(folder, "model.pt")).Length / 1e6,
            (double?)facts["output"],
            (double?)facts["largest"],
            (int?)facts["tensors"],
            (double?)facts["module"],
            (double?)facts["loss"],
            (int?)facts["gradients"],
            (double?)facts["lossOff"],
            (double?)facts["gradientsOff"],
            importSeconds,
            (double)expected.Zip(found, (a, b) => Math.Abs(a - b)).Max(),
            (double)expected.Max(Math.Abs)
        );
        foreach (BatchNormalizationMode mode in Modes(model))
            Step(tables.Steps, name, model, size, mode, folder);
    }

    private static IEnumerable<BatchNormalizationMode> Modes(OnnxModel model) =>
        model.Nodes.Any(n => n.OpType == "BatchNormalization")
            ? [BatchNormalizationMode.Inference, BatchNormalizationMode.Training]
            : [BatchNormalizationMode.Inference];

    /// <summary>
    /// Eight images: with fewer the statistics of a batch magnify roundings until PyTorch's float32 leaves its own
    /// float64. Rounding may turn the sign of a value at a kink of a rectifier, and with it visible parts of the
    /// gradients below, for us or for PyTorch: such images say nothing of the gradient. Where that happened, the
    /// network is tried once more with softplus in place of every rectifier.
    /// </summary>
    private static void Step(
        Table table,
        string name,
        OnnxModel model,
        int size,
        BatchNormalizationMode mode,
        string folder
    )
    {
        const int Rows = 8;
        Rng rng = new(3);
        float[] x = [.. Enumerable.Range(0, Rows * 3 * size * size).Select(_ => (float)rng.NextDouble())];
        long[] labels = [.. Enumerable.Range(0, Rows).Select(i => i % 5L)];
        (OnnxModel trained, string logits) = Logits(model);
        StepComparison step = NetworkStep.Compare(trained, logits, x, [Rows, 3, size, size], labels, mode, folder);
        Add($"{mode}", step);
        if (!(step.Difference <= Allowed))
            Add(
                $"{mode}, softplus",
                NetworkStep.Compare(Smooth(trained), logits, x, [Rows, 3, size, size], labels, mode, folder)
            );

        void Add(string batchNorm, StepComparison found) =>
            table.Add(
                name,
                batchNorm,
                found.Loss,
                Math.Abs(found.Loss - found.TorchLoss),
                found.Tensors,
                found.Difference,
                found.Error,
                found.TorchError,
                found.Worst
            );
    }

    private static OnnxModel Smooth(OnnxModel model) =>
        model.With(proto =>
        {
            foreach (NodeProto node in proto.Graph.Node.Where(n => n.OpType is "Relu" or "Clip"))
            {
                node.OpType = "Softplus";
                node.Attribute.Clear();
                while (node.Input.Count > 1)
                    node.Input.RemoveAt(1);
            }
        });

    /// <summary>
    /// The tensor below a softmax; of a trunk without classes the mean of its last feature map, as if each channel were
    /// one.
    /// </summary>
    private static (OnnxModel Model, string Logits) Logits(OnnxModel model)
    {
        string output = model.Outputs[0].Name;
        if (model.Nodes.First(n => n.Output.Contains(output)) is { OpType: "Softmax" } softmax)
            return (model, softmax.Input[0]);
        if (model.DeclaredShape(output)!.Rank == 2)
            return (model, output);
        return (
            model.With(proto =>
            {
                proto.Graph.Node.Add(
                    new NodeProto
                    {
                        OpType = "GlobalAveragePool",
                        Name = "mean",
                        Input = { output },
                        Output = { "mean" },
                    }
                );
                proto.Graph.Node.Add(
                    new NodeProto
                    {
                        OpType = "Flatten",
                        Name = "logits",
                        Input = { "mean" },
                        Output = { "logits" },
                    }
                );
                proto.Graph.Output.Clear();
                proto.Graph.Output.Add(new ValueInfoProto { Name = "logits" });
            }),
            "logits"
        );
    }

    private static float[] Predict(OnnxModel model, float[] x, int size)
    {
        using SessionOptions options = new() { IntraOpNumThreads = 2 };
        using InferenceSession session = new(model.ToBytes(), options);
        using var results = session.Run(
            [NamedOnnxValue.CreateFromTensor(model.Inputs[0].Name, new DenseTensor<float>(x, [4, 3, size, size]))],
            [model.Outputs[0].Name]
        );
        return results[0].AsTensor<float>().ToArray();
    }

    private static string Python(string script, params string[] arguments) =>
        PythonProgram.Output(script, "python3-torch python3-torchvision python3-onnx", arguments);

    private sealed record Tables(Table Exports, Table Steps);
}
