using MlNetTransfer.Backbones;
using MlNetTransfer.Datasets;
using MlNetTransfer.Features;
using MlNetTransfer.Heads;
using MlNetTransfer.Onnx;
using MlNetTransfer.Onnx.Training;

namespace MlNetTransfer.Training;

/// <summary>What is written of a training: heads on the pretrained network, on the trained one, or both.</summary>
internal sealed partial class FineTuneRecipe
{
    /// <summary>What begins the names of blocks as they were before training, and of taps there.</summary>
    public const string Before = "pretrained/";

    /// <summary>
    /// A training with what the rows that judged it choose to write; as it is where another training has chosen, where
    /// no rows judge, or where nothing was trained.
    /// </summary>
    private Tuned Chosen(Tuned tuned, TuneChoice? chosen, RecipeRows all, TrainTestRows rows, FitContext context)
    {
        if (chosen is not null || from.IsRandom || tuned.Network is not { BestEpoch: > 0, Answers: { } own })
            return tuned;
        FittedHead frozen = BestOnFrozen(all, rows.Train, context);
        int[] both = [.. rows.Train, .. rows.Test];
        FeatureTable features = TrainedFeatures(tuned, all, both, context);
        var choice = NetworkChoice.Of(
            Answers(frozen, all.Table.Select(rows.Test), rows.Test),
            own,
            NewHeadAnswers(all, features, rows, context),
            Options.Blend
        );
        TunedNetwork network = tuned.Network with { Candidates = choice.Trials };
        return tuned with
        {
            Features = choice.Answer is { HasNewHead: true } ? new RowFeatures(both, features) : null,
            Network = choice.Answer is { } answer
                ? network with
                {
                    Answer = answer,
                }
                : Untrained(tuned.Start) with
                {
                    LearningRate = network.LearningRate,
                    Rates = network.Rates,
                    Candidates = network.Candidates,
                    Epochs = network.Epochs,
                    ValidationRows = network.ValidationRows,
                    Ended = network.Ended is { } ended ? $"{ended}; {choice.Doubt}" : choice.Doubt,
                },
        };
    }

    /// <summary>
    /// What a new head says of the rows that judged the epochs, a third of them at a time, fitted on all others. The
    /// network has not learnt these rows by heart, so that a head which knows some of them is better than one which
    /// only knows rows that it has: the written one is fitted on all of them.
    /// </summary>
    /// <param name="all">All rows.</param>
    /// <param name="features">Features of the rows to fit on, then of those that judge.</param>
    /// <param name="rows">Both kinds of rows.</param>
    /// <param name="context">Whom to tell and when to end.</param>
    private OutOfFoldPredictions NewHeadAnswers(
        RecipeRows all,
        FeatureTable features,
        TrainTestRows rows,
        FitContext context
    )
    {
        const int folds = 3;
        int classes = features.Classes,
            before = rows.Train.Count;
        float[] logits = new float[rows.Test.Count * classes];
        int[] fold = ValidationRows.Folds(all.Images, rows.Test, folds);
        for (int f = 0; f < folds; f++)
        {
            int[] held = [.. Enumerable.Range(0, fold.Length).Where(i => fold[i] == f)],
                rest = [.. Enumerable.Range(0, features.Rows).Where(i => i < before || fold[i - before] != f)];
            if (held.Length == 0)
                continue;
            FittedHead head = BestOf(all.Groups, features.Select(rest), context);
            OutOfFoldPredictions said = Answers(
                head,
                features.Select([.. held.Select(i => before + i)]),
                [.. held.Select(i => rows.Test[i])]
            );
            for (int i = 0; i < held.Length; i++)
                said.Logits.Span.Slice(i * classes, classes).CopyTo(logits.AsSpan(held[i] * classes));
        }

        return new OutOfFoldPredictions(
            [.. rows.Test],
            [.. rows.Test.Select(row => all.Images.Labels[row])],
            logits,
            classes
        );
    }

    /// <summary>The head of a trained network, and the taps that it takes.</summary>
    private (FittedHead Head, IReadOnlyList<BackboneTap> Taps) HeadOf(
        Tuned tuned,
        RecipeRows all,
        IReadOnlyList<int> rows,
        FitContext context
    )
    {
        if (!tuned.Network.Answer.HasNewHead)
            return (WithTraining(tuned), tuned.Taps);
        FeatureTable features = tuned.Features?.Of(rows) ?? TrainedFeatures(tuned, all, rows, context);
        FittedHead head = BestOf(all.Groups, features, context);
        var calibration = new TemperatureCalibration(tuned.Network.Answer.Temperature, double.NaN, double.NaN, 0);
        return (
            head with
            {
                Selection = head.Selection with
                {
                    Name = $"{head.Selection.Name} on the trained network",
                    Head = calibration.Apply(head.Head),
                    Temperature = head.Selection.Temperature * calibration.Temperature,
                },
            },
            [.. head.Taps.Select(tap => all.Taps[tap])]
        );
    }

    /// <summary>The head that was trained with the network.</summary>
    private FittedHead WithTraining(Tuned tuned)
    {
        HeadSelection start = tuned.Start.Selection;
        string name = from.IsRandom
            ? "linear, trained with the network"
            : $"{start.Name}, then trained with the network";
        return tuned.Start with
        {
            Selection = new HeadSelection(
                name,
                tuned.Network.Head,
                tuned.Network.Temperature,
                start.Trials,
                start.Rows
            ),
        };
    }

    /// <summary>Two heads as one, the first on the features of the pretrained network.</summary>
    private static FittedHead Blended(FittedHead frozen, FittedHead trained, double temperature) =>
        frozen with
        {
            Taps = [.. frozen.Taps, .. trained.Taps],
            Selection = frozen.Selection with
            {
                Name = $"mean of {frozen.Selection.Name} on the pretrained network and {trained.Selection.Name}",
                Head = new CalibratedHead(new MeanHead(frozen.Head, trained.Head), temperature),
                Temperature = temperature,
            },
        };

    /// <summary>A tap of the network as it was pretrained, in a fork of it.</summary>
    private static BackboneTap Pretrained(BackboneTap tap, GraphFork fork) =>
        tap with
        {
            Name = Before + tap.Name,
            Tensor = fork.Names.GetValueOrDefault(tap.Tensor, tap.Tensor),
        };

    private FittedHead BestOnFrozen(RecipeRows all, IReadOnlyList<int> rows, FitContext context) =>
        BestOf(all.Groups, all.Table.Select(rows), context);

    /// <summary>The best head on features, linear or not.</summary>
    private FittedHead BestOf(TapGroups groups, FeatureTable train, FitContext context)
    {
        IReadOnlyList<string> usual = settings.Backbone.DefaultTaps();
        return new HeadFitter(settings.Head, groups, usual.All(groups.Names.Contains) ? usual : [groups.Names[^1]]).Fit(
            train,
            FitToJobProgress.Of(context.Progress),
            context.Cancellation
        );
    }

    /// <summary>What a head says of rows that it was not fitted on.</summary>
    private static OutOfFoldPredictions Answers(FittedHead head, FeatureTable table, IReadOnlyList<int> rows)
    {
        FeatureTable own = head.Groups.Columns(table, head.Taps);
        return new OutOfFoldPredictions([.. rows], [.. own.Labels], HeadRows.Logits(head.Head, own), own.Classes);
    }

    private FeatureTable TrainedFeatures(Tuned tuned, RecipeRows all, IReadOnlyList<int> rows, FitContext context) =>
        FittedNetwork.FeaturesOf(
            model.WithInitializers(tuned.Network.Weights.Values),
            all.Taps,
            all,
            rows,
            settings,
            "Features of the trained network",
            context
        );
}
