using MlNetTransfer;
using MlNetTransfer.Benchmarks.Measuring;
using MlNetTransfer.Benchmarks.Rivals;

string usage = $"""
    Usage: dotnet run -c Release --project tests/MlNetTransfer.Benchmarks -- COMMAND
    Benchmarks with a baseline in the same run; the figures are ratios of times:
      run [filter ...]                 measures, and prints each ratio with its 95 % interval
      record [filter ...]              measures, and writes tests/MlNetTransfer.Benchmarks/baselines/NAME.json
      compare [filter ...]             measures again: stored ratio, ratio now, and better, same or worse;
                                       exit code 1 where any is worse
      A filter is a part of a name of: {string.Join(", ", RatioBenchmark.All.Select(b => b.Name))}.
      --rounds N                       rounds that an interval is made of, 2 to {Ratio.MostRounds}; default {RatioCommands.DefaultRounds}
      --note TEXT                      record: what is to be known of this recording
    Beside other programs, or for longer:
      augment                          augmented training images, beside torchvision
      decode                           decoding and resizing, beside Pillow
      head [rows width classes]        fitting a head, beside scikit-learn
      hosting [--seconds 60] [--exchanges 1] [--model FILE]
                                       a hosted model under 8 callers, beside one session behind a lock: latencies, memory
      mlnet [backbone [images [rounds]]]
                                       FeaturizeImages beside ML.NET's own chains and the runner under it: rates, memory
      serve [--seconds 20] [--overload 60] [--model FILE]
                                       the server over HTTP, beside bare ONNX Runtime: rates, latencies, memory, overload,
                                       exchanged files, clients that misbehave (build src/MlNetTransfer.Cli before)
      trainstep [network|full|tail|cached|single|rounds ...]
                                       training steps, beside PyTorch
    Accuracy is judged by tests/MlNetTransfer.Experiments.
    """;
Dictionary<string, Func<string[], int>> commands = new()
{
    ["run"] = RatioCommands.Run,
    ["record"] = RatioCommands.Record,
    ["compare"] = RatioCommands.Compare,
    ["augment"] = TorchvisionAugmenting.Run,
    ["decode"] = PillowDecoding.Run,
    ["head"] = SklearnHead.Run,
    ["hosting"] = HostingLoad.Run,
    ["mlnet"] = MLNetChainRates.Run,
    ["serve"] = ServeLoad.Run,
    ["trainstep"] = TorchTrainStep.Run,
};

if (args.Length == 0 || args.Intersect(["--help", "-h", "help"]).Any())
{
    Console.WriteLine(usage);
    return args.Length == 0 ? 2 : 0;
}

// Folders of a measurement are removed when the program exits; baselines are written whole or not at all.
Console.CancelKeyPress += (_, _) =>
{
    Console.Error.WriteLine("Cancelled.");
    Environment.Exit(130);
};
try
{
    return commands.TryGetValue(args[0], out Func<string[], int>? command)
        ? command(args[1..])
        : throw new UsageException($"There is no command '{args[0]}'; there are {string.Join(", ", commands.Keys)}.");
}
catch (UsageException e)
{
    Console.Error.WriteLine($"{e.Message} --help lists everything.");
    return 2;
}
catch (TransferException e)
{
    Console.Error.WriteLine(e.Message);
    return 1;
}
