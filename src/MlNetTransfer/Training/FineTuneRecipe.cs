using System.Security.Cryptography;
using System.Text;
using System.Text.Json;
using MlNetTransfer.Backbones;
using MlNetTransfer.Datasets;
using MlNetTransfer.Encoders;
using MlNetTransfer.Features;
using MlNetTransfer.Heads;
using MlNetTransfer.Imaging.Augmentation;
using MlNetTransfer.Onnx;
using MlNetTransfer.Onnx.Training;

namespace MlNetTransfer.Training;

/// <summary>
/// Trains the network with its head: from the pretrained weights and a head fitted on the frozen features, or from
/// random ones.
/// </summary>
internal sealed partial class FineTuneRecipe : IRecipe
{
    private readonly RecipeSettings settings;
    private readonly NetworkStart from;
    private readonly OnnxModel model;
    private readonly FreezeBoundary freeze;
    private readonly TextEncoder? texts;
    private ITrainingEngine engine;
    private string? fallback;
    private OnnxModel? trained;
    private ContentEncoder? encoder;
    private Ledger<EpochResult>? metrics;

    /// <param name="settings">How; of a strategy that trains the network.</param>
    public FineTuneRecipe(RecipeSettings settings)
    {
        this.settings = settings;
        from = settings.Strategy.Network!;
        freeze = settings.FineTune.Freeze ?? from.Freeze;
        try
        {
            engine = TrainingEngines.Find(settings.FineTune.Engine, settings.TrainingDevice);
        }
        catch (GraphException e)
        {
            throw new TransferException(e.Message, e);
        }

        OnnxModel pretrained = settings.Backbone.LoadModel().SeparateInitializers();
        model = from.IsRandom ? RandomWeights.Draw(pretrained, settings.Head.Seed) : pretrained;
        texts = settings.Backbone.Card.Encoder as TextEncoder;
    }

    /// <summary>Fine-tuning of the upper half of the blocks; see <see cref="TrainingStrategy"/>.</summary>
    public static TrainingStrategy DescribeUpperBlocks() =>
        new("FineTune", "then the upper blocks of the network with it", settings => new FineTuneRecipe(settings))
        {
            Network = new NetworkStart { Freeze = FreezeBoundary.OfFraction(0.5) },
        };

    /// <summary>Fine-tuning of all blocks.</summary>
    public static TrainingStrategy DescribeWhole() =>
        new("Full", "then all of it", settings => new FineTuneRecipe(settings)) { Network = new NetworkStart() };

    /// <summary>Training of all blocks from random weights.</summary>
    public static TrainingStrategy DescribeScratch() =>
        new("Scratch", "the same network from random weights, for comparison", settings => new FineTuneRecipe(settings))
        {
            Network = new NetworkStart
            {
                IsRandom = true,
                Epochs = 30,
                LearningRate = 1e-3,
                HeadRate = 1,
            },
        };

    public bool IsQuick => false;

    /// <summary>The recipe; texts are not varied.</summary>
    private FineTuneOptions Options =>
        texts is null ? settings.FineTune : settings.FineTune with { Augmentation = AugmentationPreset.None };

    private string CheckpointFolder => SharedFold.FolderOf(settings.Folder);

    public IFitted Fit(RecipeRows all, IReadOnlyList<int> rows, FitContext context)
    {
        metrics ??= OpenMetrics();
        Prepare(all);
        string digest = Digest(all, rows);
        using SharedFold? shared = settings.SharesFolds
            ? SharedFold.Wait(CheckpointFolder, context.Fold, SharedKey(all, rows, digest), context.Cancellation)
            : null;
        Tuned tuned = Train(all, rows, digest, shared, context);
        if (shared is not null)
            metrics.Remove(line => line.Fold == context.Fold);
        foreach (EpochResult epoch in shared?.Metrics.Lines ?? [])
            metrics.Add(epoch);
        TunedNetwork network = tuned.Network;
        var summary = TuneSummary.Of(network, tuned.Plan, engine, metrics.Lines) with { Fallback = fallback };
        FittedNetwork Fitted(FittedHead head, IReadOnlyList<BackboneTap> taps, OnnxModel whole) =>
            new(head, taps, whole, network, summary, digest, settings);
        // Where nothing that was trained is kept, or not it alone, the head need not be a layer of the network.
        FittedHead? frozen =
            network.BestEpoch == 0 || network.Answer.BlendTemperature is not null
                ? BestOnFrozen(all, rows, context)
                : null;
        BackboneTap[] taps = [.. frozen?.Taps.Select(tap => all.Taps[tap]) ?? []];
        if (network.BestEpoch == 0)
            return Fitted(frozen!, taps, model);
        (FittedHead own, IReadOnlyList<BackboneTap> ownTaps) = HeadOf(tuned, all, rows, context);
        if (network.Answer.BlendTemperature is not { } temperature)
            return Fitted(own, ownTaps, model.WithInitializers(network.Weights.Values));
        GraphFork both = GraphFork.Of(model, network.Weights.Values, Before);
        return Fitted(
            Blended(frozen!, own, temperature),
            [.. taps.Select(tap => Pretrained(tap, both)), .. ownTaps],
            both.Model
        );
    }

    /// <summary>
    /// Trains as <see cref="Fit"/> does, for the process that fits: only the checkpoints are kept.
    /// </summary>
    /// <param name="all">All rows.</param>
    /// <param name="rows">Those to learn from.</param>
    /// <param name="isOver">Whether nobody needs it any more.</param>
    /// <param name="context">Which fit it is.</param>
    /// <returns>Whether it was trained here; false where that was done before, null where another process is at it.
    /// </returns>
    public bool? TryTrain(RecipeRows all, IReadOnlyList<int> rows, Func<bool> isOver, FitContext context)
    {
        Prepare(all);
        string digest = Digest(all, rows);
        if (isOver())
            return false;
        using SharedFold? shared = SharedFold.Try(CheckpointFolder, context.Fold, SharedKey(all, rows, digest));
        if (shared is null)
            return null;
        if (shared.IsDone || isOver())
            return false;
        Train(all, rows, digest, shared, context);
        return true;
    }

    /// <summary>
    /// Names a training that is gone on with unasked: besides the digest, which rows judge its epochs, and the version.
    /// </summary>
    private string SharedKey(RecipeRows all, IReadOnlyList<int> rows, string digest)
    {
        IEnumerable<int> judging = PartsOf(all, rows).Test;
        return Convert.ToHexStringLower(
            SHA256.HashData(Encoding.UTF8.GetBytes($"{digest} {string.Join(' ', judging)} {ProductVersion.Current}"))
        );
    }

    private TrainTestRows PartsOf(RecipeRows all, IReadOnlyList<int> rows) =>
        ValidationRows.Of(all.Images, rows, Options.ValidationFraction, settings.Head.Seed);

    /// <summary>Trains, and once more on all rows where that is asked for.</summary>
    private Tuned Train(RecipeRows all, IReadOnlyList<int> rows, string digest, SharedFold? shared, FitContext context)
    {
        TrainTestRows parts = PartsOf(all, rows);
        Tuned tuned = Train(all, parts, digest, null, shared, context);
        // A new head is fitted on all rows, and is better where the network has not learnt all of them.
        if (Options.Refit && Options.TimeBudget is null && parts.Test.Count > 0 && !tuned.Network.Answer.HasNewHead)
            tuned =
                tuned.Network.BestEpoch == 0
                    // No epoch is kept, so there is nothing to do again.
                    ? tuned with
                    {
                        Network = tuned.Network with { RefitRows = rows.Count },
                    }
                    : TrainAgain(all, rows, digest, tuned, shared, context);

        shared?.Done();
        return tuned;
    }

    /// <summary>
    /// Trains on all rows with what was chosen: the images that chose are as good for training as the others.
    /// </summary>
    private Tuned TrainAgain(
        RecipeRows all,
        IReadOnlyList<int> rows,
        string digest,
        Tuned first,
        SharedFold? shared,
        FitContext context
    )
    {
        Tuned whole = Train(all, new TrainTestRows([.. rows], []), digest, first.Network.Choice, shared, context);
        return whole.Network.Ended is not null
            ? first
            : whole with
            {
                Network = whole.Network with
                {
                    Epochs = first.Network.Epochs,
                    LearningRate = first.Network.LearningRate,
                    Rates = first.Network.Rates,
                    ValidationRows = first.Network.ValidationRows,
                    Candidates = first.Network.Candidates,
                    Ended = first.Network.Ended,
                    RefitRows = rows.Count,
                },
            };
    }

    /// <summary>The network as it is trained; of texts, for the longest of them.</summary>
    private void Prepare(RecipeRows all)
    {
        if (trained is not null)
            return;
        (trained, encoder) = (model, settings.Backbone.Card.Encoder);
        if (texts is null)
        {
            RequireTried(all);
            return;
        }

        int length = TextNetwork.Length(model, texts, all.Images.Items, settings.Limits);
        (trained, encoder) = (TextNetwork.Of(model, length), new TokenNumbers(texts, length));
        Check(trained, Used(all.Taps), all.Images.ClassNames.Count);
    }

    public void Written()
    {
        // Shared checkpoints tell others that nothing is left to do, until the run is over.
        if (!settings.SharesFolds && Directory.Exists(CheckpointFolder))
            Directory.Delete(CheckpointFolder, recursive: true);
    }

    /// <summary>
    /// SHA-256 of all that training depends on besides the features and labels of the rows: 64 hexadecimal digits.
    /// </summary>
    private string Digest(RecipeRows all, IReadOnlyList<int> rows)
    {
        using var hash = IncrementalHash.CreateHash(HashAlgorithmName.SHA256);
        hash.AppendData(
            Encoding.UTF8.GetBytes(
                JsonSerializer.Serialize(
                    new
                    {
                        Strategy = settings.Strategy.Name,
                        Freeze = freeze.ToString(),
                        Recipe = Options with
                        {
                            Engine = engine.Name,
                            Freeze = null,
                            CacheBytes = 0,
                            InitialWeights = null,
                        },
                        Threads = Options.ThreadsHere,
                        EngineVersion = engine.Version,
                    }
                )
            )
        );
        hash.AppendData(SHA256.HashData(trained!.ToBytes()));
        foreach (int row in rows)
            hash.AppendData(all.Images.Digest(row));
        hash.AppendData(
            Convert.FromHexString(
                TrainingDigest.Of(all.Space.Key(), TrainingDigest.OfRows(all.Table.Select(rows), settings.Head))
            )
        );
        return Convert.ToHexStringLower(hash.GetHashAndReset());
    }

    /// <summary>Tries rising learning rates on the rows that a training would be fitted on.</summary>
    /// <param name="all">All rows.</param>
    /// <param name="rows">Those to learn from; a part judges epochs in a training, and is left out here too.</param>
    /// <param name="sweep">The test; it has the losses afterwards.</param>
    /// <param name="context">Whom to tell and when to end.</param>
    public void Sweep(RecipeRows all, IReadOnlyList<int> rows, RateSweep sweep, FitContext context)
    {
        Prepare(all);
        TrainTestRows parts = PartsOf(all, rows);
        FittedHead start = StartOf(all, parts.Train, context);
        FineTuneRun run = RunOf(all, start, null, parts.Train.Count, context.Fold);
        using BoundaryRows data = DataOf(all, run.Plan);
        new FineTuner(run, all.Images, data, settings.Clock).Sweep(
            parts.Train,
            (LinearHead)start.Head,
            sweep,
            context.Progress,
            context.Cancellation
        );
    }

    /// <summary>
    /// The head to start from: linear, fitted on the frozen features of the best taps and the deepest one, below which
    /// all blocks can learn; or zeros above random weights.
    /// </summary>
    private FittedHead StartOf(RecipeRows all, IReadOnlyList<int> rows, FitContext context)
    {
        int deepest = all.Taps.ToList().IndexOf(Deepest(all.Taps));
        if (!from.IsRandom)
        {
            FeatureTable train = all.Table.Select(rows);
            FittedHead best = LinearOn([.. Enumerable.Range(0, all.Taps.Count)], settings.Head.ChoosesTap);
            return best.Taps.Contains(deepest) ? best : LinearOn([.. best.Taps.Append(deepest).Order()], false);

            FittedHead LinearOn(int[] taps, bool chooses)
            {
                FittedHead found = new HeadFitter(
                    settings.Head with
                    {
                        LinearOnly = true,
                        ChoosesTap = chooses,
                    },
                    all.Groups.Only(taps),
                    settings.Backbone.Card.DefaultTap
                ).Fit(all.Groups.Columns(train, taps), FitToJobProgress.Of(context.Progress), context.Cancellation);
                return found with { Taps = [.. found.Taps.Select(tap => taps[tap])], Groups = all.Groups };
            }
        }

        IReadOnlyList<string> classes = all.Images.ClassNames;
        int width = all.Taps[deepest].Width;
        var zero = new LinearHead(classes, width, new float[classes.Count * width], new float[classes.Count]);
        return new FittedHead([deepest], all.Groups, new HeadSelection("linear", zero, 1, [], rows.Count), []);
    }

    /// <summary>The taps whose features the trained head may take.</summary>
    private BackboneTap[] Used(IReadOnlyList<BackboneTap> taps) => from.IsRandom ? [Deepest(taps)] : [.. taps];

    private BackboneTap Deepest(IReadOnlyList<BackboneTap> taps)
    {
        string tensor = NetworkBlocks.Deepest(model, [.. taps.Select(t => t.Tensor)]);
        return taps.First(t => t.Tensor == tensor);
    }

    private Ledger<EpochResult> OpenMetrics()
    {
        OutputLock.MakeFolder(settings.Folder);
        AtomicFile.RemoveLeftovers(CheckpointFolder);
        Ledger<EpochResult>? opened = null;
        var logs = new EpochLogs(settings.Folder, settings.Logs, settings.Clock);
        return opened = new Ledger<EpochResult>(
            Path.Combine(settings.Folder, "metrics.jsonl"),
            settings.Resume,
            line =>
            {
                logs.Add(opened!.Lines);
                settings.OnEpoch?.Invoke(line);
            }
        );
    }

    /// <summary>One training of a network: the head that it started from, and what it gave.</summary>
    private sealed record Tuned(
        FittedHead Start,
        IReadOnlyList<BackboneTap> Taps,
        FineTunePlan Plan,
        TunedNetwork Network
    )
    {
        /// <summary>Features of the trained network at all taps; null where no head is fitted on them.</summary>
        public RowFeatures? Features { get; init; }
    }

    /// <summary>Features of some rows.</summary>
    private sealed record RowFeatures(IReadOnlyList<int> Rows, FeatureTable Table)
    {
        /// <summary>Those of the given rows, in their order; null where one is missing.</summary>
        public FeatureTable? Of(IReadOnlyList<int> rows)
        {
            Dictionary<int, int> places = Rows.Index().ToDictionary(row => row.Item, row => row.Index);
            return rows.All(places.ContainsKey) ? Table.Select([.. rows.Select(row => places[row])]) : null;
        }
    }
}
