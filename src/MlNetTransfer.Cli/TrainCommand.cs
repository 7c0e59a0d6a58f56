using System.CommandLine;
using System.CommandLine.Parsing;
using MlNetTransfer.Backbones;
using MlNetTransfer.Datasets;
using MlNetTransfer.Heads;
using MlNetTransfer.Jobs;

namespace MlNetTransfer.Cli;

/// <summary>train: labelled images in, a model and a report out.</summary>
internal static class TrainCommand
{
    public static Command Create(Terminal terminal, CancellationToken cancellation)
    {
        var folder = new Argument<string>("folder")
        {
            Description =
                "Folder with one folder of images per class (the folders' names are the labels), or with train, val "
                + "and test folders of those; or a .csv, .tsv, .jsonl or .ndjson list with path, label and "
                + "optionally group and split; or a .zip of such a folder.",
        };
        var backbone = new Option<string>("--backbone")
        {
            Description = "Pretrained backbone; see 'mlnet-transfer models list'.",
            DefaultValueFactory = _ => MlNetTransfer.Backbones.BackboneCatalog.DefaultId,
            HelpName = "id",
        };
        var output = new Option<string>("--output")
        {
            Description = "Folder for model.onnx and report.json.",
            DefaultValueFactory = _ => "out",
            HelpName = "dir",
        };
        var testFraction = Numbers.Within(
            new Option<double?>("--test-fraction")
            {
                Description =
                    "Hold out this share of each class for the evaluation and do not train on it. Default: 0.2 of "
                    + "500 images "
                    + "or more, if that is 20 of every class; fewer images are cross-validated.",
                HelpName = "0..1",
            },
            0.01,
            0.99
        );
        var tap = new Option<string>("--tap")
        {
            Description =
                "Where to take the features: a tap of the backbone, or auto: what is best on the training part, one "
                + "tap, the last three together or all.",
            DefaultValueFactory = _ => "auto",
            HelpName = "auto|name",
        };
        var taps = new Option<string[]>("--taps")
        {
            Description = "Several taps side by side, separated by commas, instead of --tap.",
            HelpName = "a,b,c",
            CustomParser = result =>
                result
                    .Tokens[0]
                    .Value.Split(',', StringSplitOptions.TrimEntries | StringSplitOptions.RemoveEmptyEntries),
        };
        var head = Numbers.OneOf(
            new Option<HeadKind>("--head")
            {
                Description =
                    "Kind of classifier on the features; auto compares discriminant, ridge, softmax and kernel by "
                    + "cross-validation on the training part.",
                DefaultValueFactory = _ => HeadKind.Auto,
            },
            HeadKind.All
        );
        var folds = Numbers.Within(
            new Option<int?>("--folds")
            {
                Description =
                    "Cross-validate over all images in this many folds; the model is then trained on all images.",
                HelpName = "2..20",
            },
            2,
            20
        );
        var seed = Numbers.Within(
            new Option<int>("--seed")
            {
                Description = "Seed of the split or the folds; the same seed and images give the same model file.",
                DefaultValueFactory = _ => 1,
                HelpName = "n",
            },
            int.MinValue,
            int.MaxValue
        );
        var classWeights = Numbers.OneOf(
            new Option<ClassWeights>("--class-weights")
            {
                Description = "none: every image counts the same; balanced: every class does.",
                DefaultValueFactory = _ => ClassWeights.None,
            }
        );
        var l2 = Numbers.Within(
            new Option<double?>("--l2")
            {
                Description = "L2 penalty of a softmax head. Default: chosen by cross-validation.",
                HelpName = "n",
            },
            1e-8,
            1e4
        );
        var noCache = new Option<bool>("--no-cache") { Description = "Neither read nor store features on disk." };
        Option<string> pathColumn = CommonOptions.PathColumn(),
            labelColumn = CommonOptions.LabelColumn();
        Option<int?> megapixels = CommonOptions.MaxMegapixels();
        Option<int> workers = CommonOptions.Workers();
        Option<ExecutionProvider> device = CommonOptions.Device();
        Option<bool> json = CommonOptions.Json();
        var tuning = new FineTuneFlags();
        var command = new GroupedCommand(
            "train",
            "Train a classifier on labelled images and evaluate it on images that it was not trained on.",
            ("Basics", [output, tuning.StrategyOption, backbone, testFraction, folds, seed, device, workers, json]),
            ("Fine-tuning, with --strategy finetune, full or scratch", tuning.Groups.Usual),
            ("Advanced", [head, tap, taps, classWeights, l2, pathColumn, labelColumn, megapixels, noCache]),
            ("Advanced fine-tuning", tuning.Groups.Advanced)
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
            var options = new TrainOptions
            {
                Folder = parsed.GetRequiredValue(folder),
                Dataset = new DatasetOptions
                {
                    PathColumn = parsed.GetValue(pathColumn),
                    LabelColumn = parsed.GetValue(labelColumn),
                },
                Output = parsed.GetRequiredValue(output),
                Backbone = parsed.GetRequiredValue(backbone),
                Taps =
                    parsed.GetValue(taps) is { Length: > 0 } several ? several
                    : parsed.GetValue(tap) is { } one and not "auto" ? [one]
                    : null,
                Head = parsed.GetRequiredValue(head),
                TestFraction = parsed.GetValue(testFraction),
                Folds = parsed.GetValue(folds) ?? 0,
                Seed = parsed.GetValue(seed),
                ClassWeights = parsed.GetValue(classWeights),
                L2 = parsed.GetValue(l2),
                Limits = CommonOptions.Limits(parsed.GetValue(megapixels)),
                Workers = parsed.GetValue(workers),
                Device = parsed.GetValue(device),
                CacheFeatures = !parsed.GetValue(noCache),
                Strategy = tuning.Strategy(parsed),
                FineTune = tuning.Options(parsed),
                Resume = tuning.Resume(parsed),
                SaveWeights = tuning.SaveWeights(parsed),
            };
            string[] given =
            [
                .. parsed
                    .CommandResult.Children.OfType<OptionResult>()
                    .Where(o => !o.Implicit)
                    .Select(o => o.Option.Name),
            ];
            if (TrainRules.Violation(options, given) is { } violation)
                throw new UsageException(violation);
            TrainSummary summary = terminal.Run(new TrainJob(options), cancellation);
            if (parsed.GetValue(json))
                terminal.WriteJson(summary);
            else
                TrainReport.Print(terminal.Output, summary);
            return summary.Rejected.Count > 0 ? ExitCode.SomeRejected : ExitCode.Done;
        });
        return command;
    }
}
