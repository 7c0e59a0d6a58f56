using System.CommandLine;
using MlNetTransfer.Jobs;
using MlNetTransfer.Training;

namespace MlNetTransfer.Cli;

/// <summary>
/// What lr-find and tune take of train: the images, the backbone, and how its network is trained.
/// </summary>
internal sealed class RecipeFlags
{
    /// <param name="strategies">What the command can do something for.</param>
    /// <param name="purpose">What it does with the images, for their help.</param>
    public RecipeFlags(IReadOnlyList<TrainingStrategy> strategies, string purpose)
    {
        Train = new Flags<TrainOptions>(
            new TrainOptions
            {
                Folder = "-",
                Output = "out",
                Strategy = TrainingStrategy.FineTune,
            }
        );
        Folder = Train.Argument(
            "folder",
            $"Labelled images, as of 'mlnet-transfer train'; {purpose}",
            (o, path) => o with { Folder = path }
        );
        (Option paths, Option texts, Option labels, Option empty) = Train.Columns(
            (o, dataset) => o with { Dataset = dataset }
        );
        var tuning = new FineTuneFlags(Train);
        Basics =
        [
            Train.Text(
                "--backbone",
                "Pretrained backbone; see 'mlnet-transfer models list'.",
                "id",
                (o, id) => o with { Backbone = id },
                o => o.Backbone
            ),
            Train.Choice(
                "--strategy",
                string.Concat(strategies.Select(s => $"{FlagText.Of(s)}: {s.Description}. ")).TrimEnd(),
                [.. strategies.Select(s => FlagText.Of(s))],
                TrainingStrategy.All.Find,
                (o, strategy) => o with { Strategy = strategy },
                TrainingStrategy.FineTune
            ),
            .. tuning.Usual.Where(option => option.Name is "--freeze" or "--batch" or "--augment" or "--init"),
        ];
        Advanced =
        [
            .. tuning.Advanced.Where(option => option.Name is not "--no-refit"),
            Train.Number<double>(
                "--test-fraction",
                "Hold out this share of each class, as train does with it; it is never looked at.",
                "0..1",
                (o, share) => o with { TestFraction = share }
            ),
            Train.Number<int>(
                "--seed",
                "Seed of the split and of what is drawn.",
                "n",
                (o, seed) => o with { Seed = seed },
                o => o.Seed
            ),
            paths,
            texts,
            labels,
            empty,
            Train.MaxMegapixels(),
            Train.Workers(),
            Train.NoCache(o => o with { CacheFeatures = false }),
        ];
    }

    /// <summary>The training.</summary>
    public Flags<TrainOptions> Train { get; }

    /// <summary>The images.</summary>
    public Argument Folder { get; }

    /// <summary>What most need.</summary>
    public Option[] Basics { get; }

    /// <summary>The rest.</summary>
    public Option[] Advanced { get; }
}
