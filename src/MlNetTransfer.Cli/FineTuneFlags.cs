using System.CommandLine;
using System.CommandLine.Parsing;
using System.Globalization;
using System.Numerics;
using MlNetTransfer.Imaging.Augmentation;
using MlNetTransfer.Training;

namespace MlNetTransfer.Cli;

/// <summary>The options of train that say how a network is trained.</summary>
internal sealed class FineTuneFlags
{
    private static readonly FineTuneOptions Defaults = new();

    private readonly Option<TrainingStrategy> strategy = Numbers.OneOf(
        new Option<TrainingStrategy>("--strategy")
        {
            Description =
                "head: a classifier on frozen features, in seconds. finetune: then the upper blocks of the network "
                + "with it. full: then all of it. scratch: the same network from random weights, for comparison.",
            DefaultValueFactory = _ => TrainingStrategy.Head,
        },
        TrainingStrategy.All
    );
    private readonly Option<FreezeBoundary?> freeze = new("--freeze")
    {
        Description =
            "What finetune leaves frozen: a share of the blocks, from the image on; block:N, the first N blocks; or "
            + "pattern:REGEX, weights by their names in the ONNX file."
            + Default(TrainingStrategy.FineTune.Network!.Freeze),
        HelpName = "0..1|block:N|pattern:REGEX",
        CustomParser = ParseFreeze,
    };
    private readonly Option<int?> epochs = Number<int>(
        "--epochs",
        "Passes over the training images at most; the best one counts."
            + Default(Epochs(TrainingStrategy.FineTune), Epochs(TrainingStrategy.Scratch)),
        "n",
        1,
        10_000
    );
    private readonly Option<double?> rate = Number(
        "--lr",
        "Highest learning rate of the top block; lower blocks learn more slowly. Sgd: 20 times as much."
            + Default(Rate(TrainingStrategy.FineTune), Rate(TrainingStrategy.Scratch)),
        "rate",
        1e-12,
        10.0
    );
    private readonly Option<int?> batch = Number(
        "--batch",
        "Images of a step." + Default(Defaults.BatchSize),
        "n",
        1,
        4096
    );
    private readonly Option<int?> microBatch = Number(
        "--micro-batch",
        "Images worked on at a time: the same steps in less memory. [default: the whole batch]",
        "n",
        1,
        4096
    );
    private readonly Option<OptimizerKind> optimizer = Numbers.OneOf(
        new Option<OptimizerKind>("--optimizer")
        {
            Description = "How gradients become steps.",
            DefaultValueFactory = _ => Defaults.Optimizer,
        }
    );
    private readonly Option<ScheduleKind> schedule = Numbers.OneOf(
        new Option<ScheduleKind>("--schedule")
        {
            Description = "How the learning rate moves over the steps.",
            DefaultValueFactory = _ => Defaults.Schedule,
        }
    );
    private readonly Option<AugmentationPreset> augment = Numbers.OneOf(
        new Option<AugmentationPreset>("--augment")
        {
            Description = "How training images are varied.",
            DefaultValueFactory = _ => Defaults.Augmentation,
        }
    );
    private readonly Option<double?> weightDecay = Number(
        "--weight-decay",
        "Pull of the weights towards 0." + Default(Defaults.WeightDecay),
        "n",
        0,
        10.0
    );
    private readonly Option<double?> startDecay = Number(
        "--l2-sp",
        "Pull of the weights towards the pretrained ones." + Default(Defaults.StartingPointDecay),
        "n",
        0,
        10.0
    );
    private readonly Option<double?> smoothing = Number(
        "--label-smoothing",
        "Share of a target that is spread over all classes." + Default(Defaults.LabelSmoothing),
        "0..0.9",
        0,
        0.9
    );
    private readonly Option<double?> dropout = Number(
        "--dropout",
        "Share of the features dropped before the head while training." + Default(Defaults.Dropout),
        "0..0.9",
        0,
        0.9
    );
    private readonly Option<double?> average = Number(
        "--ema",
        "Judge and keep a moving average of the weights with this decay, e.g. 0.99.",
        "0..1",
        0,
        0.999999
    );
    private readonly Option<bool> gradual = new("--gradual")
    {
        Description = "Unfreeze block after block from the top, instead of all at once.",
    };
    private readonly Option<int?> patience = Number(
        "--patience",
        "Epochs without a lower validation loss after which training ends. [default: a third of the epochs, at "
            + "least 5]",
        "n",
        1,
        10_000
    );
    private readonly Option<bool> noRefit = new("--no-refit")
    {
        Description =
            "Write the training that set images aside to judge its epochs; else another one on all images follows, "
            + "for as many epochs as were best.",
    };
    private readonly Option<TimeSpan?> budget = new("--time-budget")
    {
        Description =
            "Stop after the epoch in which this time is used up; no second training follows, and the result depends "
            + "on the machine's speed.",
        HelpName = "90s|10m|2h",
        CustomParser = ParseTime,
    };
    private readonly Option<string?> init = new("--init")
    {
        Description =
            "Start from these weights instead of the pretrained ones: a weights.safetensors or model.onnx of the "
            + "same backbone.",
        HelpName = "file",
    };
    private readonly Option<bool> save = new("--save-weights")
    {
        Description = "Write the weights alone to weights.safetensors beside the model.",
    };
    private readonly Option<bool> resume = new("--resume")
    {
        Description =
            "Go on from the last epoch of an interrupted run with the same images, options and output folder.",
    };

    /// <summary>How much of the network is trained.</summary>
    public Option<TrainingStrategy> StrategyOption => strategy;

    /// <summary>What most trainings of a network need, and the rest.</summary>
    public (Option[] Usual, Option[] Advanced) Groups =>
        (
            [freeze, epochs, rate, batch, augment, patience, budget, resume, init, save],
            [microBatch, optimizer, schedule, weightDecay, startDecay, smoothing, dropout, average, gradual, noRefit]
        );

    public TrainingStrategy Strategy(ParseResult parsed) => parsed.GetRequiredValue(strategy);

    public bool Resume(ParseResult parsed) => parsed.GetValue(resume);

    public bool SaveWeights(ParseResult parsed) => parsed.GetValue(save);

    public FineTuneOptions Options(ParseResult parsed) =>
        new()
        {
            Freeze = parsed.GetValue(freeze),
            Epochs = parsed.GetValue(epochs),
            LearningRate = parsed.GetValue(rate),
            BatchSize = parsed.GetValue(batch) ?? Defaults.BatchSize,
            MicroBatch = parsed.GetValue(microBatch),
            Optimizer = parsed.GetValue(optimizer),
            Schedule = parsed.GetValue(schedule),
            Augmentation = parsed.GetValue(augment),
            WeightDecay = parsed.GetValue(weightDecay) ?? Defaults.WeightDecay,
            StartingPointDecay = parsed.GetValue(startDecay) ?? Defaults.StartingPointDecay,
            LabelSmoothing = parsed.GetValue(smoothing) ?? Defaults.LabelSmoothing,
            Dropout = parsed.GetValue(dropout) ?? Defaults.Dropout,
            AverageDecay = parsed.GetValue(average) ?? Defaults.AverageDecay,
            GradualUnfreezing = parsed.GetValue(gradual),
            Patience = parsed.GetValue(patience),
            Refit = !parsed.GetValue(noRefit),
            TimeBudget = parsed.GetValue(budget),
            InitialWeights = parsed.GetValue(init),
        };

    private static string Default(object? value, object? scratch = null) =>
        FormattableString.Invariant(
            $" [default: {value}{(scratch is null ? "" : FormattableString.Invariant($"; scratch: {scratch}"))}]"
        );

    private static int Epochs(TrainingStrategy strategy) => strategy.Network!.Epochs;

    private static double Rate(TrainingStrategy strategy) => strategy.Network!.LearningRateOf(OptimizerKind.AdamW);

    private static Option<T?> Number<T>(string name, string description, string help, T low, T high)
        where T : struct, INumber<T> =>
        Numbers.Within(new Option<T?>(name) { Description = description, HelpName = help }, low, high);

    private static FreezeBoundary? ParseFreeze(ArgumentResult result)
    {
        try
        {
            return FreezeBoundary.Parse(result.Tokens[0].Value);
        }
        catch (FormatException e)
        {
            result.AddError($"--freeze: {e.Message}");
            return null;
        }
    }

    private static TimeSpan? ParseTime(ArgumentResult result)
    {
        string text = result.Tokens[0].Value;
        double unit =
            text.Length == 0
                ? 0
                : text[^1] switch
                {
                    's' => 1,
                    'm' => 60,
                    'h' => 3600,
                    _ => 0,
                };
        if (
            unit > 0
            && double.TryParse(
                text.AsSpan(0, text.Length - 1),
                NumberStyles.Float,
                CultureInfo.InvariantCulture,
                out double number
            )
            && number * unit is > 0 and < 1e8
        )
            return TimeSpan.FromSeconds(number * unit);
        result.AddError($"--time-budget is '{text}'; write a number with s, m or h, e.g. 90s, 10m or 2h.");
        return null;
    }
}
