using MlNetTransfer;
using MlNetTransfer.Experiments;

const string Usage = """
    Usage: dotnet run -c Release --project tests/MlNetTransfer.Experiments -- EXPERIMENT [arguments] [--json FILE]
    Experiments judge quality: each prints its table, and writes it with machine and versions to
    out/experiments/EXPERIMENT-DATE.json, or to FILE. Without a backbone the catalog's default is taken.
      accuracy [backbone ...]          training runs on three tasks by tap, beside scikit-learn on the same features
      accuracy defaults [backbone]     training runs with all defaults, three seeds, beside scikit-learn
      adapt [all|same|shift|partial] [repeats=N] [backbone]
                                       emoji of one style to another: every alignment, and the choice without labels
      advice [task ...] [backbone ...] estimates of transferability beside the accuracy of heads, over backbones and taps
      backbones [task ...] [backbone ...]
                                       each backbone alone and the automatic choice, by 5 folds, three seeds
      checks [task ...]                faults planted in 600 images: what 'check' finds, beside confident learning
      cluster [kills N] [shards N ...] [workers]
                                       three workers and PostgreSQL killed at random moments; cost of a shard; 1 and 2 workers
      detective [folder]               preprocessings found for trained networks, and what a wrong one costs
      fewshot [task ...] [backbone ...] [alone]
                                       heads with few images per class, beside scikit-learn
      finetune [task ...] [strategy ...] [fold=1,2] [epochs=N] [lr=X] ...
                                       training the network beside a head on its frozen features, by folds
      finetune kills N                 trainings of the network killed N times each, beside undisturbed ones
      flip [task ...] [backbone]       mirror images averaged (--tta flip) or as rows, and adapted batch normalisation
      foreign [folder [form ...]]      ONNX files of many forms: preprocessing found, features, an epoch, exports
      gradients [network ...]          gradients of whole networks, beside PyTorch in float64
      imbalance [task ...]             classes of very different size: class weights and thresholds
      int8 [backbone ...]              models quantised to int8, beside float32
      pixels [model]                   exports on 50 images and large JPEGs, beside the evaluated model
      reliability [task ...] [sets|abstain|unknown|calibration]
                                       prediction sets, abstention, unknown images and calibration on images never seen
      scoring [kills N] [rows N ...] [.csv|.parquet|.db ...]
                                       batches by the command line: killed at random moments; speed and memory by size
      selftraining [task ...] [foreign] [draws=N] [backbone]
                                       images without labels beside a few with: each way, and the choice
      strategies [task ...] [images a class|all ...] [backbone=ID]
                                       every strategy on the same drawn images: what advice should have said
      taps [backbone]                  several taps together, beside each alone
      torchexport [network|backbone ...]
                                       exports to TorchScript and TorchSharp beside PyTorch, and trained weights back
      transfer [backbone ...]          pretrained features, random weights and raw pixels, by 5-fold accuracy
      zeroshot [backbone]              Fashion-MNIST with three classes only described, beside what was foreseen
    """;
Dictionary<string, Func<string[], Experiment, int>> experiments = new()
{
    ["accuracy"] = AccuracyExperiment.Run,
    ["adapt"] = AdaptExperiment.Run,
    ["advice"] = AdviceExperiment.Run,
    ["backbones"] = BackbonesExperiment.Run,
    ["checks"] = ChecksExperiment.Run,
    ["cluster"] = ClusterExperiment.Run,
    ["detective"] = DetectiveExperiment.Run,
    ["fewshot"] = FewShotExperiment.Run,
    ["finetune"] = FineTuneExperiment.Run,
    ["flip"] = FlipExperiment.Run,
    ["foreign"] = ForeignExperiment.Run,
    ["gradients"] = GradientsExperiment.Run,
    ["imbalance"] = ImbalanceExperiment.Run,
    ["int8"] = Int8Experiment.Run,
    ["pixels"] = PixelsExperiment.Run,
    ["reliability"] = ReliabilityExperiment.Run,
    ["scoring"] = ScoringExperiment.Run,
    ["selftraining"] = SelfTrainingExperiment.Run,
    ["strategies"] = StrategiesExperiment.Run,
    ["taps"] = TapsExperiment.Run,
    ["torchexport"] = TorchExportExperiment.Run,
    ["transfer"] = TransferExperiment.Run,
    ["zeroshot"] = ZeroShotExperiment.Run,
};

if (args.Length == 0 || args.Intersect(["--help", "-h", "help"]).Any())
{
    Console.WriteLine(Usage);
    return args.Length == 0 ? 2 : 0;
}

if (!experiments.TryGetValue(args[0], out Func<string[], Experiment, int>? work))
    return Wrong($"There is no experiment '{args[0]}'; there are {string.Join(", ", experiments.Keys)}.");
string? file = null;
List<string> rest = [.. args[1..]];
if (rest.IndexOf("--json") is >= 0 and var at)
{
    if (at + 1 == rest.Count)
        return Wrong("--json needs the name of a file.");
    file = rest[at + 1];
    rest.RemoveRange(at, 2);
}

if (rest.Find(a => a.StartsWith('-')) is { } option)
    return Wrong($"There is no option '{option}'; there is --json FILE.");
Experiment experiment = new(args[0], rest, file);
Console.CancelKeyPress += (_, _) =>
{
    experiment.Save("cancelled");
    Console.Error.WriteLine("Cancelled.");
    Environment.Exit(130);
};
try
{
    int code = work([.. rest], experiment);
    experiment.Save("complete");
    return code;
}
catch (TransferException e)
{
    experiment.Save("failed: " + e.Message);
    Console.Error.WriteLine(e.Message);
    return 1;
}
catch (Exception)
{
    experiment.Save("failed");
    throw;
}

static int Wrong(string message)
{
    Console.Error.WriteLine($"{message} --help lists everything.");
    return 2;
}
