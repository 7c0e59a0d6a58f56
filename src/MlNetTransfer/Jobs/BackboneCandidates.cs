using MlNetTransfer.Backbones;
using MlNetTransfer.Datasets;
using MlNetTransfer.Evaluation;
using MlNetTransfer.Features;
using MlNetTransfer.Training;

namespace MlNetTransfer.Jobs;

/// <summary>The networks that a job names, or chooses among.</summary>
internal static class BackboneCandidates
{
    /// <summary>In place of an id: chosen by cross-validation on the images to train.</summary>
    public const string Auto = "auto";

    /// <summary>What <see cref="TrainOptions.Backbone"/> asks for.</summary>
    public static IReadOnlyList<string> Of(TrainOptions options, BackboneCatalog catalog) =>
        options.Backbone == Auto ? Among(options.Backbones, catalog) : SideBySide.Ids(options.Backbone);

    /// <summary>The given ids; else all backbones of images whose files are here.</summary>
    public static IReadOnlyList<string> Among(IReadOnlyList<string>? given, BackboneCatalog catalog)
    {
        if (given is not null)
            return given;
        string[] here = [.. catalog.OfImagesHere.Select(card => card.Id)];
        return here.Length > 0
            ? here
            : throw new TransferException(
                "There is no backbone of images whose weights are on this machine, so there is nothing to choose "
                    + "among. 'mlnet-transfer models list' lists what is known; 'models add' adds a network."
            );
    }

    /// <summary>Finds what a strategy cannot do, before anything is opened.</summary>
    /// <exception cref="TransferException">A network is to be trained, and there are several.</exception>
    public static void RequireOneToTrain(TrainOptions options, IReadOnlyList<string> ids)
    {
        if (ids.Count < 2)
            return;
        string named = options.Backbone == Auto ? "--backbone auto" : $"--backbone {options.Backbone}";
        if (options.Strategy.Network is not null || options.Strategy.Chooses)
            throw new TransferException(
                $"--strategy {options.Strategy.Label} trains one network, and {named} is of {ids.Count}: steps that "
                    + "suit one would spoil another, and the frozen features by which networks are compared say little "
                    + "of trained ones. Take one --backbone, or --strategy head."
            );
        if (options.FineTune.InitialWeights is not null)
            throw new TransferException(
                $"--init gives the weights of one network, and {named} is of {ids.Count}. Take one --backbone, or "
                    + "leave --init out."
            );
    }

    /// <summary>The taps, each with its network's id, also where there is one network.</summary>
    public static TapGroups Groups(Backbone backbone, FeatureExtractor extractor) =>
        backbone.Parts.Count > 1
            ? extractor.Groups
            : new TapGroups(
                extractor.Groups.Names,
                extractor.Groups.Widths,
                [.. extractor.Taps.Select(_ => backbone.Card.Id)]
            );

    /// <summary>The rows that backbones are compared on: all that are not set apart by the images' own split.</summary>
    public static int[] ComparedRows(TrainingSet set, TrainOptions run) =>
        [
            .. set.Data.Splits is null
                ? Enumerable.Range(0, set.Table.Rows)
                : HeldOutRows.Of(set.Data, set.Rows, set.Table, run, EvaluationProtocol.DefaultTestFraction).Train,
        ];

    /// <summary>The leaderboard of a comparison.</summary>
    /// <exception cref="TransferException">There are too few rows to hold any out.</exception>
    public static IReadOnlyList<LeaderboardRow> Leaderboard(
        Backbone backbone,
        TrainingSet set,
        FeatureTable compared,
        HeadRecipeOptions head,
        JobServices services,
        IProgress<JobProgress>? progress,
        CancellationToken cancellation
    )
    {
        var choice = new BackboneChoice();
        IReadOnlyList<LeaderboardRow> board = new BackboneChooser(
            choice,
            head,
            Groups(backbone, set.Extractor),
            Costs(set.Data, set.Rows, set.Extractor, choice, services.Clock, cancellation),
            backbone.DefaultTaps()
        ).Compare(compared, FitToJobProgress.Of(progress), cancellation);
        return board.Count > 0
            ? board
            : throw new TransferException(
                $"'{set.Data.Source}' has {compared.Rows} usable images of {compared.Classes} classes: too few "
                    + "to hold any out and compare; at least 3 of each class are needed."
            );
    }

    /// <summary>What the networks cost on this machine, on the run's own images.</summary>
    /// <exception cref="TransferException">None is within the budget; the message names the fastest.</exception>
    public static IReadOnlyList<NetworkCost> Costs(
        Dataset data,
        ItemRows rows,
        FeatureExtractor extractor,
        BackboneChoice choice,
        TimeProvider clock,
        CancellationToken cancellation
    )
    {
        IReadOnlyList<NetworkCost> costs = extractor.Costs(
            [.. rows.Accepted.Select(i => data.Items[i])],
            clock,
            cancellation
        );
        NetworkCost fastest = costs.MinBy(c => c.Milliseconds)!;
        return choice.Allows([fastest])
            ? costs
            : throw new TransferException(
                FormattableString.Invariant(
                    $"No backbone is within --max-ms {choice.MostMilliseconds:g4}: the fastest, {fastest.Network}, "
                )
                    + FormattableString.Invariant($"takes {fastest.Milliseconds:f1} ms per image on this machine. ")
                    + "Allow more, or add a faster one to --backbones."
            );
    }

    /// <summary>What a reader should know: which networks the budget left out.</summary>
    public static IEnumerable<string> Notes(BackboneChoice? choice, IReadOnlyList<NetworkCost> costs) =>
        choice?.MostMilliseconds is not { } most
            ? []
            : costs
                .Where(c => !choice.Allows([c]))
                .Select(c =>
                    FormattableString.Invariant(
                        $"{c.Network} was left out: it takes {c.Milliseconds:f1} ms per image here, more than "
                    ) + FormattableString.Invariant($"--max-ms {most:g4}.")
                );
}
