using System.CommandLine;
using MlNetTransfer.Jobs;
using MlNetTransfer.Training;

namespace MlNetTransfer.Cli;

/// <summary>The options of a search, on this machine and on a cluster.</summary>
internal sealed class TuneFlags
{
    public TuneFlags()
    {
        Recipe = new RecipeFlags(
            [.. TrainingStrategy.All.Where(strategy => strategy.Network is not null)],
            "a test part is never looked at."
        );
        All = new Flags<TuneOptions>(Standard);
        All.Part(Recipe.Train, (o, train) => o with { Train = train });
        Output = Recipe.Train.Text(
            "--output",
            "Folder for trials.jsonl, a line for every trial.",
            "dir",
            (o, folder) => o with { Output = folder },
            o => o.Output
        );
        Trials = All.Number<int>(
            "--trials",
            "Recipes to try, the defaults among them.",
            "n",
            (o, trials) => o with { Trials = trials },
            o => o.Trials
        );
        Epochs = Recipe.Train.Number<int>(
            "--epochs",
            "Epochs of a whole training, which the best third of the best third get.",
            "n",
            (o, count) => o with { FineTune = o.FineTune with { Epochs = count } }
        );
    }

    /// <summary>What is not said.</summary>
    public static TuneOptions Standard { get; } =
        new()
        {
            Train = new TrainOptions { Folder = "-", Output = "out" },
        };

    /// <summary>The training that is searched for.</summary>
    public RecipeFlags Recipe { get; }

    /// <summary>Reads all of them.</summary>
    public Flags<TuneOptions> All { get; }

    public Option Output { get; }

    public Option Trials { get; }

    public Option Epochs { get; }
}
