using MlNetTransfer.Backbones;
using MlNetTransfer.Datasets;
using MlNetTransfer.Heads;
using MlNetTransfer.Imaging.Augmentation;
using MlNetTransfer.Onnx;

namespace MlNetTransfer.Training;

/// <summary>One training of the network, and the learning rate that it takes.</summary>
internal sealed partial class FineTuneRecipe
{
    private Tuned Train(
        RecipeRows all,
        TrainTestRows rows,
        string digest,
        TuneChoice? chosen,
        SharedFold? shared,
        FitContext context
    )
    {
        FittedHead start = StartOf(all, rows.Train, context);
        FineTuneRun run = RunOf(all, start, chosen, rows.Train.Count, context.Fold);
        BackboneTap[] taps = [.. start.Taps.Select(tap => all.Taps[tap])];
        using BoundaryRows data = DataOf(all, run.Plan);
        string name = FormattableString.Invariant($"fold-{context.Fold}"),
            file = $"{name}{(chosen is null ? "" : "-all")}.safetensors";
        var checkpoint = new TuneCheckpoint(
            shared?.Checkpoint(isRefit: chosen is not null) ?? Path.Combine(CheckpointFolder, file),
            digest
        );
        TunedNetwork One(FineTuneRun own) =>
            new FineTuner(own, all.Images, data, settings.Clock).Fit(
                rows,
                (LinearHead)start.Head,
                checkpoint,
                settings.Resume || shared is not null,
                shared?.Metrics ?? metrics!,
                context.Progress,
                context.Cancellation
            );
        try
        {
            if (run.Options.LearningRate is not null || from.IsRandom || rows.Test.Count == 0)
                return Chosen(new Tuned(start, taps, run.Plan, One(run)), chosen, all, rows, context);
            // A checkpoint of another run is refused before a race is run for nothing.
            if (settings.Resume || shared is not null)
                _ = checkpoint.Load();
            long began = settings.Clock.GetTimestamp();
            Ledger<RateTrial> rates = shared?.OpenRates() ?? OpenRates($"{name}-{digest[..12]}-rates.jsonl");
            if (RateRace.IsFor(run.Options, from))
                new RateRace(run, all.Images, data, settings.Clock).Run(
                    rows,
                    (LinearHead)start.Head,
                    rates,
                    context.Progress,
                    context.Cancellation
                );
            TunedNetwork network = AtTheBestRate(
                rate =>
                    One(
                        run with
                        {
                            Options = run.Options with { LearningRate = rate },
                            TimeLeft = run.TimeLeft - settings.Clock.GetElapsedTime(began),
                            EndsInRuin = true,
                        }
                    ),
                rates,
                checkpoint,
                Untrained(start) with
                {
                    ValidationRows = rows.Test.Count,
                }
            );
            return Chosen(
                new Tuned(start, taps, run.Plan, network with { Rates = rates.Lines }),
                chosen,
                all,
                rows,
                context
            );
        }
        catch (GraphException e)
        {
            throw new TransferException(e.Message, e);
        }
    }

    /// <summary>Trains at the rate that the race liked best, and at lower ones where that ruins the network.</summary>
    private TunedNetwork AtTheBestRate(
        Func<double, TunedNetwork> train,
        Ledger<RateTrial> rates,
        TuneCheckpoint checkpoint,
        TunedNetwork untrained
    )
    {
        while (RateRace.Choose(rates.Lines, from.LearningRateOf(Options)) is { } rate)
        {
            TunedNetwork network = train(rate);
            if (!network.IsRuined)
                return network;
            checkpoint.Delete();
            rates.Add(new RateTrial(rate, null, null, network.Epochs, true, 0));
        }

        return untrained with
        {
            LearningRate = rates.Lines[^1].Rate,
            Ended = "the first epoch ruined the network at every learning rate",
        };
    }

    private static TunedNetwork Untrained(FittedHead start) =>
        TunedNetwork.Untrained((LinearHead)start.Head, start.Selection.Temperature);

    /// <summary>The rates that were tried for a training.</summary>
    private Ledger<RateTrial> OpenRates(string file)
    {
        OutputLock.MakeFolder(CheckpointFolder);
        return new Ledger<RateTrial>(Path.Combine(CheckpointFolder, file), settings.Resume);
    }

    private FineTuneRun RunOf(RecipeRows all, FittedHead start, TuneChoice? chosen, int rows, int fold) =>
        new()
        {
            Options = Options with
            {
                Epochs = chosen?.Epochs ?? Options.Epochs,
                LearningRate = chosen?.LearningRate ?? Options.LearningRate,
                AverageDecay = AverageOf(rows),
            },
            Start = from,
            Plan = FineTunePlan.Of(
                trained!,
                [.. start.Taps.Select(tap => all.Taps[tap].Tensor)],
                start.Head.Width,
                freeze,
                Options.Parameters
            ),
            Engine = engine,
            TimeLeft = Options.TimeBudget,
            ClassWeights = settings.Head.ClassWeights,
            Seed = settings.Head.Seed,
            Fold = fold,
            Chosen = chosen,
            Workers = settings.Head.Workers,
        };

    /// <summary>Decay of the average of the weights; 0 for none.</summary>
    /// <param name="rows">Rows of a training.</param>
    private double AverageOf(int rows) =>
        Options.AverageDecay
        ?? (from.IsRandom || Options.BatchStatistics == true ? 0 : DecayOf(rows, Options.BatchSize));

    /// <summary>
    /// Of an average over about an epoch, which makes epochs comparable before the learning rate has fallen.
    /// </summary>
    internal static double DecayOf(int rows, int batch) =>
        Math.Min(0.999, 1 - 1 / Math.Ceiling((double)rows / Math.Min(rows, batch)));

    private BoundaryRows DataOf(RecipeRows all, FineTunePlan plan) =>
        new(
            plan.Network,
            all.Space with
            {
                Encoder = encoder!,
            },
            AugmentationOptions.Of(Options.Augmentation),
            settings.BoundaryCache,
            settings.Limits,
            Options.CacheBytes,
            settings.Head.Seed
        );
}
