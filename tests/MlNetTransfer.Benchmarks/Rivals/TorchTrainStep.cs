using System.Diagnostics;
using System.Globalization;
using MlNetTransfer.Benchmarks.Measuring;
using MlNetTransfer.Onnx;
using MlNetTransfer.Onnx.Training;
using MlNetTransfer.Tests.Shared;

namespace MlNetTransfer.Benchmarks.Rivals;

/// <summary>
/// Training steps beside PyTorch's, or with "torchsharp" beside TorchSharp's, in both layouts of memory, batch 16 of
/// 224 x 224, SGD with momentum: images per second by alternating rounds of three processes that live side by side,
/// medians of the rounds, and the peak memory of each process. libtorch's threads wait as OMP_WAIT_POLICY says, which is
/// actively where it is not set.
/// </summary>
internal static class TorchTrainStep
{
    private const int Batch = 16,
        Classes = 10;

    /// <summary>Asks for TorchSharp instead of PyTorch.</summary>
    private const string Sharp = "torchsharp";

    private static readonly string[] SharpNetworks = ["resnet18", "mobilenet_v2"];

    private static readonly string[] Networks =
    [
        "resnet18",
        "mobilenet_v2",
        "densenet121",
        "efficientnet_b0",
        "convnext_tiny",
    ];

    /// <summary>
    /// Network, and what is trained: everything, the last block with the prefix computed each time, or with its
    /// activations cached.
    /// </summary>
    private static readonly string[] Modes = ["full", "tail", "cached"];

    private const string Script = """
        import sys, time, warnings, torch, torch.nn as nn, torchvision
        warnings.filterwarnings("ignore")
        name, mode, folder, threads, layout = sys.argv[1:6]
        torch.set_num_threads(int(threads)); torch.manual_seed(1)
        net = getattr(torchvision.models, name)(num_classes=10)
        for m in net.modules():
            if isinstance(m, nn.Dropout): m.p = 0.0
            if isinstance(m, nn.BatchNorm2d): m.momentum = None
        x, t = torch.randn(16, 3, 224, 224), torch.randint(0, 10, (16,))
        with torch.no_grad(): net.train()(x)
        net.eval()
        if name == "resnet18":
            prefix = nn.Sequential(net.conv1, net.bn1, net.relu, net.maxpool, net.layer1, net.layer2, net.layer3)
            tail = nn.Sequential(net.layer4, net.avgpool, nn.Flatten(1), net.fc)
        elif name == "densenet121":
            prefix = net.features[:10]
            tail = nn.Sequential(net.features[10:], nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten(1), net.classifier)
        elif name == "convnext_tiny":
            prefix, tail = net.features[:7], nn.Sequential(net.features[7], net.avgpool, net.classifier)
        else:
            prefix = net.features[:-1]
            tail = nn.Sequential(net.features[-1], nn.AdaptiveAvgPool2d(1), nn.Flatten(1), net.classifier)
        whole = nn.Sequential(prefix, tail)
        if folder:
            with torch.no_grad(): h = prefix(x)
            for part, module, example in [("full", whole, x), ("tail", tail, h)]:
                torch.onnx.export(module, example, f"{folder}/{name}-{part}.onnx", opset_version=16,
                                  training=torch.onnx.TrainingMode.PRESERVE, do_constant_folding=False,
                                  input_names=["x"], output_names=["logits"],
                                  dynamic_axes={"x": {0: "N"}, "logits": {0: "N"}})
            sys.exit()
        if layout == "channels_last":
            net, x = net.to(memory_format=torch.channels_last), x.to(memory_format=torch.channels_last)
        if mode != "full":
            for p in prefix.parameters(): p.requires_grad_(False)
        if mode == "cached":
            with torch.no_grad(): x = prefix(x)
        run = tail if mode == "cached" else whole
        optimiser = torch.optim.SGD([p for p in net.parameters() if p.requires_grad], lr=1e-4, momentum=0.9)
        def step():
            optimiser.zero_grad()
            loss = nn.functional.cross_entropy(run(x), t)
            loss.backward(); optimiser.step()
            return loss.item()
        for line in sys.stdin:
            start = time.perf_counter()
            for _ in range(int(line)): loss = step()
            peak = next(l for l in open("/proc/self/status") if l.startswith("VmHWM")).split()[1]
            print(time.perf_counter() - start, peak, flush=True)
        """;

    public static int Run(string[] args)
    {
        if (args is ["worker", var mode, var path, var count])
            return Work(mode, path, int.Parse(count, CultureInfo.InvariantCulture));
        if (
            args.FirstOrDefault(a =>
                !Networks.Contains(a) && !Modes.Contains(a) && a is not ("single" or Sharp) && !int.TryParse(a, out _)
            ) is
            { } unknown
        )
            throw new UsageException(
                $"trainstep takes {string.Join(", ", [.. Networks, .. Modes])}, {Sharp}, single and a number of "
                    + $"rounds; '{unknown}' is none."
            );
        int threads = args.Contains("single") ? 1 : 2;
        bool sharp = args.Contains(Sharp);
        string[] all = sharp ? SharpNetworks : Networks,
            networks = args.Where(Networks.Contains).ToArray() is { Length: > 0 } chosen ? chosen : all;
        if (networks.Except(all).FirstOrDefault() is { } foreign)
            throw new UsageException($"TorchSharp's torchvision has no {foreign}; it has {string.Join(", ", all)}.");
        string[] modes = args.Where(Modes.Contains).ToArray() is { Length: > 0 } some ? some : Modes;
        int rounds = args.Select(a => int.TryParse(a, CultureInfo.InvariantCulture, out int n) ? n : 0)
            .DefaultIfEmpty()
            .Max()
            is > 0
                and var given
            ? given
            : 5;
        using Scratch folder = new();
        Console.WriteLine(
            string.Create(
                System.Globalization.CultureInfo.InvariantCulture,
                $"batch {Batch}, 224 x 224, {threads} threads of {Environment.ProcessorCount} cores, {rounds} "
                    + $"alternating rounds"
            )
        );
        Console.WriteLine(
            $"network         trained    images/s {(sharp ? "TorchSharp" : "PyTorch"), 9}   ratio (least, most)   "
                + "channels last   ratio (least, most)   peak MB: ours, theirs, channels last"
        );
        foreach (string network in networks)
        {
            using (Process export = Torch(network, "full", folder.Path, threads, ""))
                export.WaitForExit();
            foreach (string trained in modes)
                Compare(
                    network,
                    trained,
                    folder.Path,
                    rounds,
                    threads,
                    layout =>
                        sharp
                            ? TorchSharp(network, trained, threads, layout)
                            : Torch(network, trained, "", threads, layout)
                );
        }

        return 0;
    }

    private static void Compare(
        string network,
        string mode,
        string folder,
        int rounds,
        int threads,
        Func<string, Process> rival
    )
    {
        string model = Path.Combine(folder, $"{network}-{(mode == "cached" ? "tail" : "full")}.onnx");
        using Process ours = Start(Environment.ProcessPath!, ["trainstep", "worker", mode, model, $"{threads}"]),
            theirs = rival(""),
            last = rival("channels_last");
        Process[] all = [ours, theirs, last];
        int steps = mode switch
        {
            "full" => 2,
            "tail" => 4,
            _ => 12,
        };
        // The runtime of .NET compiles what is called often once more.
        Ask(ours, 8);
        Ask(theirs, 2);
        Ask(last, 2);
        List<double[]> seconds = [];
        double[] peaks = [];
        for (int round = 0; round < rounds; round++)
        {
            (double Seconds, double Peak)[] answers = [.. all.Select(process => Ask(process, steps))];
            seconds.Add([.. answers.Select(a => a.Seconds / steps)]);
            peaks = [.. answers.Select(a => a.Peak)];
        }

        foreach (Process process in all)
        {
            process.StandardInput.Close();
            process.WaitForExit();
        }

        string Rate(int which) =>
            (Batch / Median(seconds.Select(s => s[which]))).ToString("f1", CultureInfo.InvariantCulture);
        string Ratio(int which)
        {
            double[] ratios = [.. seconds.Select(s => s[which] / s[0]).Order()];
            return string.Create(
                CultureInfo.InvariantCulture,
                $"{Median(ratios):f2} ({ratios[0]:f2}, {ratios[^1]:f2})"
            );
        }

        Console.WriteLine(
            string.Create(
                CultureInfo.InvariantCulture,
                $"{network, -15} {mode, -8} {Rate(0), 10} {Rate(1), 9}   {Ratio(1), -19}   {Rate(2), 13}   {Ratio(2), -19}   "
                    + $"{peaks[0], 6:f0} {peaks[1], 6:f0} {peaks[2], 6:f0}"
            )
        );
    }

    /// <summary>
    /// One line in, the number of steps; one line out: seconds and peak memory.
    /// </summary>
    private static int Work(string mode, string path, int threads)
    {
        OnnxModel model = OnnxModel.Load(path);
        string[] prefixes =
            mode == "full" ? [""]
            : mode == "cached" ? ["0.", "3.", "1."]
            : ["1."];
        string[] parameters =
        [
            .. model
                .Initializers.Where(i =>
                    i.DataType == 1
                    && i.Dims.Count > 0
                    && !i.Name.Contains("running")
                    && !i.Name.StartsWith('/')
                    && prefixes.Any(p => i.Name.StartsWith(p, StringComparison.Ordinal))
                )
                .Select(i => i.Name),
        ];
        using TrainingSession session = new(
            model,
            new TrainingOptions
            {
                Objectives = [new Objective { Logits = "logits" }],
                Groups = [new ParameterGroup { Name = "all", Parameters = parameters }],
            },
            new TrainingSessionOptions { Threads = threads }
        );
        Random random = new(1);
        long row = model.DeclaredShape("x")!.Dimensions.Skip(1).Aggregate(1L, (a, d) => a * d.Size!.Value);
        float[] x =
        [
            .. Enumerable
                .Range(0, (int)(Batch * row))
                .Select(_ =>
                    (float)(
                        Math.Sqrt(-2 * Math.Log(1 - random.NextDouble())) * Math.Cos(2 * Math.PI * random.NextDouble())
                    )
                ),
        ];
        if (mode == "cached")
            for (int i = 0; i < x.Length; i++)
                x[i] = Math.Max(0, x[i]);
        float[] targets = new float[Batch * Classes];
        for (int i = 0; i < Batch; i++)
            targets[i * Classes + i % Classes] = 1;
        while (Console.ReadLine() is { } line)
        {
            long start = Stopwatch.GetTimestamp();
            for (int i = int.Parse(line, CultureInfo.InvariantCulture); i > 0; i--)
                session.Step(x, targets, [], 1e-4f);
            double seconds = Stopwatch.GetElapsedTime(start).TotalSeconds;
            string peak = File.ReadLines("/proc/self/status")
                .First(l => l.StartsWith("VmHWM", StringComparison.Ordinal))
                .Split((char[]?)null, StringSplitOptions.RemoveEmptyEntries)[1];
            Console.WriteLine(FormattableString.Invariant($"{seconds} {peak}"));
        }

        return 0;
    }

    private static Process Torch(string network, string mode, string folder, int threads, string layout) =>
        Start(PythonProgram.Executable, ["-c", Script, network, mode, folder, $"{threads}", layout], threads);

    /// <summary>The tests of the package for TorchSharp, which have libtorch, as a program.</summary>
    private static Process TorchSharp(string network, string mode, int threads, string layout)
    {
        const string name = "MlNetTransfer.TorchSharp.Tests";
        string program = Repository.At($"artifacts/bin/{name}/release/{name}.dll");
        if (!File.Exists(program))
            throw new UsageException($"'{program}' is missing: dotnet build -c Release tests/{name} makes it.");
        string[] arguments =
        [
            program,
            network,
            mode,
            $"{threads}",
            .. layout.Length > 0 ? [layout] : Array.Empty<string>(),
        ];
        return Start("dotnet", arguments, threads);
    }

    private static Process Start(string program, string[] arguments, int threads = 1)
    {
        ProcessStartInfo info = new(program, arguments) { RedirectStandardInput = true, RedirectStandardOutput = true };
        // PyTorch without these gives large blocks back to the system after every step and gets them again page by
        // page.
        foreach (string threshold in new[] { "MALLOC_TRIM_THRESHOLD_", "MALLOC_MMAP_THRESHOLD_" })
            info.Environment[threshold] = "8589934592";
        info.Environment["OMP_NUM_THREADS"] = info.Environment["OPENBLAS_NUM_THREADS"] = threads.ToString(
            CultureInfo.InvariantCulture
        );
        return Process.Start(info)!;
    }

    private static (double Seconds, double PeakMegabytes) Ask(Process process, int steps)
    {
        process.StandardInput.WriteLine(steps);
        process.StandardInput.Flush();
        string[] answer = (
            process.StandardOutput.ReadLine()
            ?? throw new InvalidOperationException("A worker ended early; its message is above.")
        ).Split(' ');
        return (
            double.Parse(answer[0], CultureInfo.InvariantCulture),
            double.Parse(answer[1], CultureInfo.InvariantCulture) / 1024
        );
    }

    private static double Median(IEnumerable<double> values)
    {
        double[] sorted = [.. values.Order()];
        return sorted[sorted.Length / 2];
    }
}
