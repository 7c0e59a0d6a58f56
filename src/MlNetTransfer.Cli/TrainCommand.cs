using System.CommandLine;
using System.CommandLine.Parsing;
using MlNetTransfer.Features;
using MlNetTransfer.Heads;
using MlNetTransfer.Jobs;
using MlNetTransfer.Training;

namespace MlNetTransfer.Cli;

/// <summary>train: labelled images in, a model and a report out.</summary>
internal static class TrainCommand
{
    /// <summary>Of --tap: chosen by cross-validation.</summary>
    private const string Auto = "auto";

    public static Command Create(Terminal terminal, CancellationToken cancellation)
    {
        var flags = new Flags<TrainOptions>(new TrainOptions { Folder = "-", Output = "out" });
        Argument folder = flags.Argument(
            "folder",
            "Folder with one folder of images per class (the folders' names are the labels), or with train, val and "
                + "test folders of those; or a .csv, .tsv, .jsonl or .ndjson list with path, label and optionally "
                + "group and split; or a .zip of such a folder.",
            (o, path) => o with { Folder = path }
        );
        Option tap = flags.Text(
            "--tap",
            "Where to take the features: a tap of the backbone, or auto: what is best on the training part, one tap, "
                + "the last three together or all.",
            "auto|name",
            (o, name) => o with { Taps = name == Auto ? null : [name] },
            _ => Auto
        );
        Option taps = flags.Written(
            "--taps",
            "Several taps side by side, separated by commas, instead of --tap.",
            "a,b,c",
            CommonOptions.Listed,
            (o, names) => o with { Taps = names }
        );
        (Option paths, Option texts, Option labels, Option empty) = flags.Columns(
            (o, dataset) => o with { Dataset = dataset }
        );
        Option<bool> json = CommonOptions.Json();
        Option<bool> noReport = new("--no-report") { Description = "Leave out report.html." };
        var tuning = new FineTuneFlags(flags);
        var command = new GroupedCommand(
            "train",
            "Train a classifier on labelled images and evaluate it on images that it was not trained on.",
            ("Basics", [Output(flags), tuning.Strategy, .. Basics(flags), noReport, json]),
            ("Fine-tuning, with --strategy finetune, full, scratch or auto", tuning.Usual),
            (
                "Advanced",
                [
                    Head(flags),
                    tap,
                    taps,
                    Mirrored(flags),
                    ClassWeighting(flags),
                    Thresholds(flags),
                    L2(flags),
                    PseudoLabels(flags),
                    paths,
                    texts,
                    labels,
                    empty,
                    flags.MaxMegapixels(),
                    flags.NoCache(o => o with { CacheFeatures = false }),
                ]
            ),
            ("Advanced fine-tuning", tuning.Advanced)
        )
        {
            folder,
        };
        command.Validators.Add(result =>
        {
            if (result.GetResult(tap) is { Implicit: false } && result.GetResult(taps) is not null)
                result.AddError("--tap and --taps say the same thing; give one of them.");
        });
        command.SetAction(parsed =>
        {
            TrainOptions options = flags.Read(parsed);
            string[] given =
            [
                .. parsed
                    .CommandResult.Children.OfType<OptionResult>()
                    .Where(o => !o.Implicit)
                    .Select(o => o.Option.Name),
            ];
            if (TrainRules.Violation(options, given) is { } violation)
                throw new UsageException(violation);
            var services = new JobServices { Command = TypedCommand.Of(parsed) };
            TrainSummary summary = terminal.Run(new TrainJob(options, services), cancellation);
            string? page = ReportCommand.AfterTraining(terminal, summary, !parsed.GetValue(noReport), cancellation);
            if (parsed.GetValue(json))
                terminal.WriteJson(summary);
            else
                TrainReport.Print(terminal.Output, summary, page);
            return summary.Rejected.Count > 0 ? ExitCode.SomeRejected : ExitCode.Done;
        });
        return command;
    }

    private static Option Output(Flags<TrainOptions> flags) =>
        flags.Text(
            "--output",
            "Folder for model.onnx, report.html and report.json, and predictions.csv: what was said of every image "
                + "held out.",
            "dir",
            (o, folder) => o with { Output = folder },
            o => o.Output
        );

    private static IEnumerable<Option> Basics(Flags<TrainOptions> flags) =>
        [
            flags.Text(
                "--backbone",
                "Pretrained backbone; see 'mlnet-transfer models list'. Several, separated by commas: their features "
                    + "side by side. auto: the best of --backbones, or two of them, by cross-validation on the "
                    + "training part; within one standard error the cheaper.",
                "id[,id]|auto",
                (o, id) => o with { Backbone = id },
                o => o.Backbone
            ),
            flags.Written(
                "--backbones",
                "What --backbone auto chooses among. Default: all backbones of images on this machine.",
                "a,b,c",
                CommonOptions.Listed,
                (o, ids) => o with { Backbones = ids }
            ),
            flags.Number<double>(
                "--max-ms",
                "Milliseconds per image that --backbone auto may spend, decoding included, on one core here.",
                "ms",
                (o, most) => o with { MaxMilliseconds = most }
            ),
            flags.Number<double>(
                "--test-fraction",
                "Hold out this share of each class for the evaluation and do not train on it. Default: "
                    + FormattableString.Invariant($"{EvaluationProtocol.DefaultTestFraction} of ")
                    + $"{EvaluationProtocol.FewImages} images or more, if that is {EvaluationProtocol.FewHeldOut} of "
                    + "every class; fewer images are cross-validated.",
                "0..1",
                (o, share) => o with { TestFraction = share }
            ),
            flags.Number<int>(
                "--folds",
                "Cross-validate over all images in this many folds; the model is then trained on all images.",
                "2..20",
                (o, folds) => o with { Folds = folds }
            ),
            flags.Text(
                "--unlabelled",
                "Images without labels, of the same kind and with the same classes: a folder, a list or a .zip. They "
                    + "are trained on too where labelled images held out speak for it; that is worth trying with few "
                    + "labels and hundreds of images without. With --strategy head.",
                "folder",
                (o, path) => o with { Unlabelled = path }
            ),
            flags.Number<double>(
                "--coverage",
                "How often the set of classes that the model gives beside its answer holds the true one.",
                "0.5..0.999",
                (o, share) => o with { Reliability = o.Reliability with { Coverage = share } },
                o => o.Reliability.Coverage
            ),
            flags.Number<double>(
                "--target-accuracy",
                "Accuracy of the answers that the model gives; where it would be less, it says that it is not sure.",
                "0.5..0.999",
                (o, share) => o with { Reliability = o.Reliability with { TargetAccuracy = share } },
                o => o.Reliability.TargetAccuracy
            ),
            flags.Switch(
                "--no-unknown",
                "Leave out the score of images unlike all training images, and with it the numbers made of up to 1,000 "
                    + "training images that the model file keeps for it.",
                o => o with { Reliability = o.Reliability with { ScoresUnknown = false } }
            ),
            flags.Number<int>(
                "--seed",
                "Seed of the split or the folds; the same seed and images give the same model file.",
                "n",
                (o, seed) => o with { Seed = seed },
                o => o.Seed
            ),
            flags.Device((o, device) => o with { Device = device }, o => o.Device),
            flags.Workers(),
        ];

    private static Option Head(Flags<TrainOptions> flags) =>
        flags.Choice(
            "--head",
            "Kind of classifier on the features; auto compares discriminant, ridge, softmax and kernel by "
                + "cross-validation on the training part.",
            HeadKind.All,
            (o, kind) => o with { Head = kind },
            o => o.Head
        );

    private static Option PseudoLabels(Flags<TrainOptions> flags) =>
        flags.Choice(
            "--pseudo-labels",
            "How --unlabelled images are given labels. auto: the way that does best on labelled images held out, or "
                + "none; another is taken whatever they say. "
                + string.Join("; ", PseudoLabelMethod.All.Select(m => $"{m.Label}: {m.Description}"))
                + ".",
            [Auto, .. PseudoLabelMethod.All.Names],
            name => name,
            (o, name) => o with { PseudoLabels = name == Auto ? null : PseudoLabelMethod.All.Find(name) },
            Auto
        );

    private static Option Mirrored(Flags<TrainOptions> flags) =>
        flags.Choice<TestTimeAugmentation>(
            "--tta",
            "Test-time augmentation, with --strategy head. flip: features are the mean of those of the image and of "
                + "its left-right mirror image, in training and in scoring; the model takes twice the time to score. "
                + "Not where left and right tell classes apart, as with letters and arrows.",
            (o, augmentation) => o with { TestTimeAugmentation = augmentation },
            o => o.TestTimeAugmentation
        );

    private static Option ClassWeighting(Flags<TrainOptions> flags) =>
        flags.Choice<ClassWeights>(
            "--class-weights",
            "none: every image counts the same; balanced: every class does.",
            (o, weights) => o with { ClassWeights = weights },
            o => o.ClassWeights
        );

    private static Option Thresholds(Flags<TrainOptions> flags) =>
        flags.Choice<ClassThresholds>(
            "--thresholds",
            "none: the likeliest class is the answer; macrof1: every class gets a threshold of its own, chosen on "
                + "training images held out, for classes of very different size.",
            (o, thresholds) => o with { Thresholds = thresholds },
            o => o.Thresholds
        );

    private static Option L2(Flags<TrainOptions> flags) =>
        flags.Number<double>(
            "--l2",
            "L2 penalty of a softmax head. Default: chosen by cross-validation.",
            "n",
            (o, l2) => o with { L2 = l2 }
        );
}
