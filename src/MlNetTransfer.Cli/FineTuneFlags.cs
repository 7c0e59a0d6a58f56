using System.CommandLine;
using MlNetTransfer.Imaging.Augmentation;
using MlNetTransfer.Jobs;
using MlNetTransfer.Training;

namespace MlNetTransfer.Cli;

/// <summary>The options of train that say how a network is trained.</summary>
internal sealed class FineTuneFlags
{
    /// <param name="train">The flags of train, which these become a part of.</param>
    public FineTuneFlags(Flags<TrainOptions> train)
    {
        var tune = new Flags<FineTuneOptions>(new FineTuneOptions());
        train.Part(tune, (o, tuned) => o with { FineTune = tuned });
        Strategy = train.Choice(
            "--strategy",
            string.Concat(TrainingStrategy.All.Select(s => $"{FlagText.Of(s)}: {s.Description}. ")).TrimEnd(),
            TrainingStrategy.All,
            (o, strategy) => o with { Strategy = strategy },
            o => o.Strategy
        );
        Usual =
        [
            .. Start(tune),
            train.Choice<TrainingPreset>(
                "--preset",
                "How much --strategy auto tries. fast: a short training of the last fifth of the blocks; good: "
                    + "finetune; best: finetune and full. [default: good]",
                (o, preset) => o with { Preset = preset },
                o => o.Preset ?? TrainingPreset.Good
            ),
            train.Written(
                "--log",
                "Write the epochs for other programs too, separated by commas: csv, metrics.csv; tensorboard, event "
                    + "files in the folder logs.",
                "csv,tensorboard",
                Formats,
                (o, formats) => o with { Logs = formats }
            ),
            train.Switch(
                "--resume",
                "Go on from the last epoch of an interrupted run with the same images, options and output folder.",
                o => o with { Resume = true }
            ),
            tune.Text(
                "--init",
                "Start from these weights instead of the pretrained ones: a weights.safetensors or model.onnx of the "
                    + "same backbone, or what PyTorch or TorchSharp saved of it (.pt, .pth, .dat, .safetensors).",
                "file",
                (o, file) => o with { InitialWeights = file }
            ),
            train.Switch(
                "--save-weights",
                "Write the weights alone to weights.safetensors beside the model.",
                o => o with { SaveWeights = true }
            ),
        ];
        Advanced = [.. Steps(tune), .. Regularisation(tune)];
    }

    /// <summary>How much of the network is trained.</summary>
    public Option Strategy { get; }

    /// <summary>What most trainings of a network need.</summary>
    public Option[] Usual { get; }

    /// <summary>The rest.</summary>
    public Option[] Advanced { get; }

    private static LogFormats Formats(string text)
    {
        string[] known = [.. Enum.GetNames<LogFormats>().Skip(1).Select(name => name.ToLowerInvariant())];
        return CommonOptions
            .Listed(text)
            .Aggregate(
                LogFormats.None,
                (all, name) => all | Enum.Parse<LogFormats>(FlagText.OneOf("--log", name, known), ignoreCase: true)
            );
    }

    private static IEnumerable<Option> Start(Flags<FineTuneOptions> tune) =>
        [
            tune.Written(
                "--freeze",
                "What finetune leaves frozen: a share of the blocks, from the image on; block:N, the first N blocks; "
                    + "or pattern:REGEX, weights by their names in the ONNX file."
                    + Default(TrainingStrategy.FineTune.Network!.Freeze),
                "0..1|block:N|pattern:REGEX",
                FreezeBoundary.Parse,
                (o, boundary) => o with { Freeze = boundary }
            ),
            tune.Choice<TrainedParameters>(
                "--parameters",
                "What is trained of the blocks that are not frozen: all; affine, the scales and shifts of "
                    + "normalisations and the biases alone, a thousandth of the numbers.",
                (o, which) => o with { Parameters = which },
                o => o.Parameters
            ),
            tune.Number<int>(
                "--epochs",
                "Passes over the training images at most; the best one counts."
                    + Default(Epochs(TrainingStrategy.FineTune), Epochs(TrainingStrategy.Scratch)),
                "n",
                (o, epochs) => o with { Epochs = epochs }
            ),
            tune.Number<double>(
                "--lr",
                "Highest learning rate of the top block; lower blocks learn more slowly."
                    + Default("the best of up to four, by short trainings", Rate(TrainingStrategy.Scratch)),
                "rate",
                (o, rate) => o with { LearningRate = rate }
            ),
            tune.Number<int>(
                "--batch",
                "Images of a step.",
                "n",
                (o, size) => o with { BatchSize = size },
                o => o.BatchSize
            ),
            tune.Choice<AugmentationPreset>(
                "--augment",
                "How training images are varied.",
                (o, preset) => o with { Augmentation = preset },
                o => o.Augmentation
            ),
            tune.Number<int>(
                "--patience",
                "Epochs without a lower validation loss after which training ends. [default: a third of the epochs, "
                    + "at least 5]",
                "n",
                (o, epochs) => o with { Patience = epochs }
            ),
            tune.Written(
                "--time-budget",
                "Stop after the epoch in which this time is used up; no second training follows, and the result "
                    + "depends on the machine's speed. With --strategy auto: time for all trainings of the network "
                    + "together; one that takes longer is left out. [default with auto: 15m]",
                "90s|10m|2h",
                FlagText.Time,
                (o, budget) => o with { TimeBudget = budget }
            ),
        ];

    private static IEnumerable<Option> Steps(Flags<FineTuneOptions> tune) =>
        [
            tune.Number<int>(
                "--micro-batch",
                "Images worked on at a time: the same steps in less memory. [default: the whole batch]",
                "n",
                (o, size) => o with { MicroBatch = size }
            ),
            tune.Choice<OptimizerKind>(
                "--optimizer",
                "How gradients become steps.",
                (o, kind) => o with { Optimizer = kind },
                o => o.Optimizer
            ),
            tune.Choice<ScheduleKind>(
                "--schedule",
                "How the learning rate moves over the steps.",
                (o, kind) => o with { Schedule = kind },
                o => o.Schedule
            ),
        ];

    private static IEnumerable<Option> Regularisation(Flags<FineTuneOptions> tune) =>
        [
            tune.Number<double>(
                "--weight-decay",
                "Pull of the weights towards 0.",
                "n",
                (o, decay) => o with { WeightDecay = decay },
                o => o.WeightDecay
            ),
            tune.Number<double>(
                "--l2-sp",
                "Pull of the weights towards the pretrained ones.",
                "n",
                (o, decay) => o with { StartingPointDecay = decay },
                o => o.StartingPointDecay
            ),
            tune.Number<double>(
                "--label-smoothing",
                "Share of a target that is spread over all classes.",
                "0..0.9",
                (o, share) => o with { LabelSmoothing = share },
                o => o.LabelSmoothing
            ),
            tune.Number<double>(
                "--dropout",
                "Share of the features dropped before the head while training.",
                "0..0.9",
                (o, share) => o with { Dropout = share },
                o => o.Dropout
            ),
            tune.Number<double>(
                "--ema",
                "Judge and keep a moving average of the weights with this decay, e.g. 0.99; 0 for none. [default: over "
                    + "about an epoch; scratch: 0]",
                "0..1",
                (o, decay) => o with { AverageDecay = decay }
            ),
            tune.Switch(
                "--gradual",
                "Unfreeze block after block from the top, instead of all at once.",
                o => o with { GradualUnfreezing = true }
            ),
            tune.Switch(
                "--no-refit",
                "Write the training that set images aside to judge its epochs; else another one on all images "
                    + "follows, for as many epochs as were best (unless a head that is fitted afterwards is written).",
                o => o with { Refit = false }
            ),
            tune.Switch(
                "--no-blend",
                "Never write a blend. A blend averages the answers of the pretrained network and the trained one; it "
                    + "is written where it is best on the images set aside, and runs the trained blocks twice.",
                o => o with { Blend = false }
            ),
        ];

    private static string Default(object? value, object? scratch = null) =>
        FormattableString.Invariant(
            $" [default: {value}{(scratch is null ? "" : FormattableString.Invariant($"; scratch: {scratch}"))}]"
        );

    private static int Epochs(TrainingStrategy strategy) => strategy.Network!.Epochs;

    private static double Rate(TrainingStrategy strategy) => strategy.Network!.LearningRate;
}
