using System.Globalization;
using MlNetTransfer.Backbones;
using MlNetTransfer.Datasets;
using MlNetTransfer.Features;
using MlNetTransfer.Onnx;
using MlNetTransfer.Onnx.Training;

namespace MlNetTransfer.Training;

/// <summary>A backbone with trained weights, and its head.</summary>
/// <param name="head">The head, trained with the network.</param>
/// <param name="taps">The taps that the head's features are taken from.</param>
/// <param name="backbone">The whole backbone, trained.</param>
/// <param name="network">What training gave.</param>
/// <param name="training">What the report says of it.</param>
/// <param name="digest">SHA-256 of all that it depends on, hexadecimal.</param>
/// <param name="settings">How images are read.</param>
internal sealed class FittedNetwork(
    FittedHead head,
    IReadOnlyList<BackboneTap> taps,
    OnnxModel backbone,
    TunedNetwork network,
    TuneSummary training,
    string digest,
    RecipeSettings settings
) : IFitted
{
    public FittedHead Head => head;

    public IReadOnlyList<BackboneTap> Taps => taps;

    public TuneSummary? Training => training;

    public OnnxModel Network() => backbone;

    public string Digest() => digest;

    /// <summary>Features by the trained backbone.</summary>
    public FeatureTable Features(RecipeRows all, IReadOnlyList<int> rows, FitContext context) =>
        FeaturesOf(backbone, taps, all, rows, settings, "Evaluating", context);

    /// <summary>Features of rows by a network.</summary>
    /// <param name="network">The whole network.</param>
    /// <param name="taps">The taps.</param>
    /// <param name="all">All rows.</param>
    /// <param name="rows">Which of them.</param>
    /// <param name="settings">How images are read.</param>
    /// <param name="stage">What is being done, for people.</param>
    /// <param name="context">Whom to tell and when to end.</param>
    /// <exception cref="TransferException">An item cannot be used any more.</exception>
    internal static FeatureTable FeaturesOf(
        OnnxModel network,
        IReadOnlyList<BackboneTap> taps,
        RecipeRows all,
        IReadOnlyList<int> rows,
        RecipeSettings settings,
        string stage,
        FitContext context
    )
    {
        DataItem[] items = [.. rows.Select(row => all.Images.Items[row])];
        using ItemGraph graph = FeatureGraph
            .Open(
                network,
                [.. taps.Select(t => t.Tensor)],
                settings.Backbone.Card.Encoder,
                settings.Limits,
                ExecutionPlan.For(ExecutionProvider.Cpu, settings.Head.Workers)
            )
            .Graph;
        ItemRows found = new ItemRunner(graph).Run(items, stage, context.Progress, context.Cancellation);
        if (found.Rejected.Count > 0)
            throw new TransferException(
                $"{found.Rejected[0].File} could be used before and cannot any more: {found.Rejected[0].Reason}. "
                    + $"Run again when the images do not change; where the reason is a number of the graph, take a "
                    + $"lower --lr."
            );
        return new FeatureTable(
            all.Images.ClassNames,
            [.. rows.Select(row => all.Images.Labels[row])],
            found.Values,
            found.Width
        );
    }

    /// <summary>What a reader of the figures should know.</summary>
    public IEnumerable<string> Notes
    {
        get
        {
            if (training.Fallback is { } reason)
                yield return $"The network was trained on the CPU: {reason}.";
            foreach (string note in RateNotes())
                yield return note;
            if (network.Ended is { } ended)
                yield return network.Share < 1
                    ? $"Training ended after epoch {network.Epochs}: {ended}."
                    : $"Training ended after epoch {network.Epochs}: {ended}. The weights are those of epoch "
                        + $"{network.BestEpoch}.";
            if (network.Share < 1)
                yield return string.Create(
                    CultureInfo.InvariantCulture,
                    $"The weights lie between the pretrained ones and those of the last epoch ({network.Share:p0} of "
                        + $"the way), where the validation images were judged best."
                );
            if (network.Candidates.Count > 0)
                yield return CandidatesNote();
            if (network.Answer.HasNewHead)
                yield return "The head was fitted on the trained network's features of all images, those included that "
                    + "had judged the epochs, so training is not done again.";
            if (network.RefitRows > 0 && network.BestEpoch > 0)
                yield return string.Create(
                    CultureInfo.InvariantCulture,
                    $"With that chosen, training was done again on all {network.RefitRows} images, those included that "
                        + $"had judged the epochs: {network.BestEpoch} epochs, not judged by any image."
                );
            if (network.BestEpoch == 0)
                yield return "Training was not clearly better than the head on the frozen features, so the backbone is "
                    + "as it was pretrained, and the head that of --strategy head."
                    + (
                        settings.FineTune.LearningRate is null
                            ? ""
                            : " Without --lr a learning rate is chosen, which may do better."
                    );
            if (network.ValidationRows == 0)
                yield return "There were too few images to set some aside: no epoch was judged, the last one is kept, "
                    + "and nothing is calibrated.";
        }
    }

    private string CandidatesNote()
    {
        string Of(CandidateTrial trial)
        {
            string model = trial.Model switch
            {
                TunedModel.Head => "the best head on the pretrained network",
                TunedModel.Trained => "the trained network",
                TunedModel.NewHead => "the trained network with the best head on its features",
                _ => "the blend, which averages the first and the better of the others",
            };
            return string.Create(
                CultureInfo.InvariantCulture,
                $"{model} {trial.LogLoss:f3} ({100 * trial.Accuracy:f1} %{(trial.Taken ? ", written" : "")})"
            );
        }

        string judged =
            $"Log-loss and accuracy of the validation images: {string.Join(", ", network.Candidates.Select(Of))}.";
        return network.Answer.BlendTemperature is null
            ? judged
            : "The model is a blend: it averages the answers of the pretrained network and the trained one. The "
                + $"trained blocks run twice, which --no-blend avoids. {judged}";
    }

    private IEnumerable<string> RateNotes()
    {
        string Rate(RateTrial trial) => trial.Rate.ToString("g2", CultureInfo.InvariantCulture);
        string Loss(RateTrial trial) =>
            trial.ValidationLoss is { } loss
                ? string.Create(CultureInfo.InvariantCulture, $"{Rate(trial)}: {loss:f3}")
                : $"{Rate(trial)}: no number";
        RateTrial[] raced = [.. network.Rates.Where(trial => !trial.Ruined)],
            ruined = [.. network.Rates.Where(trial => trial.Ruined)];
        string chosen = network.LearningRate.ToString("g2", CultureInfo.InvariantCulture);
        if (raced.Length > 0)
            yield return $"Learning rates were tried by short trainings; log-loss of the validation images: "
                + $"{string.Join(", ", raced.Select(Loss))}. Training took {chosen}.";
        if (ruined.Length > 0)
            yield return $"The first epoch ruined the network at a learning rate of "
                + $"{string.Join(", ", ruined.Select(Rate))}, so training began again with less: {chosen}.";
    }
}

/// <summary>How the network of a written model was trained.</summary>
public sealed record TuneSummary
{
    /// <summary>Blocks of the backbone up to the taps.</summary>
    public required int Blocks { get; init; }

    /// <summary>Blocks, from the image on, that stayed as they were.</summary>
    public required int FrozenBlocks { get; init; }

    /// <summary>Epochs done.</summary>
    public required int Epochs { get; init; }

    /// <summary>The epoch whose weights were written; 0 where it is the network as it was pretrained.</summary>
    public required int BestEpoch { get; init; }

    /// <summary>What ran the training steps, and its version.</summary>
    public required string Engine { get; init; }

    /// <summary>
    /// Why the device that was asked for did not run them, but the CPU; null where it did, or none was asked for.
    /// </summary>
    public string? Fallback { get; init; }

    /// <summary>Highest learning rate of the top block.</summary>
    public required double LearningRate { get; init; }

    /// <summary>Learning rates that short trainings tried before; empty where it was given.</summary>
    public required IReadOnlyList<RateTrial> Rates { get; init; }

    /// <summary>
    /// 1 where the weights are that epoch's; below 1 they are (1 - share) · those of the start + share · those of the
    /// last epoch, at which the log-loss of the validation images was lower.
    /// </summary>
    public required double Share { get; init; }

    /// <summary>
    /// What might be written, as the validation images see it: the head on the pretrained network, the trained network,
    /// that with a new head, and the blend; empty where there was no choice.
    /// </summary>
    public IReadOnlyList<CandidateTrial> Candidates { get; init; } = [];

    /// <summary>Images that judged the epochs and calibrated the model.</summary>
    public required int ValidationImages { get; init; }

    /// <summary>
    /// Images of the second training, on all of them, whose weights were written; 0 where there was none.
    /// </summary>
    public required int RefitImages { get; init; }

    /// <summary>Why training ended before its last epoch; null where it did not.</summary>
    public required string? Ended { get; init; }

    /// <summary>The epochs of the written model.</summary>
    public required IReadOnlyList<EpochResult> Metrics { get; init; }

    internal static TuneSummary Of(
        TunedNetwork network,
        FineTunePlan plan,
        ITrainingEngine engine,
        IReadOnlyList<EpochResult> metrics
    ) =>
        new()
        {
            Engine = $"{engine.Name} {engine.Version}",
            Blocks = plan.Blocks.Count,
            FrozenBlocks = plan.Frozen,
            Epochs = network.Epochs,
            BestEpoch = network.BestEpoch,
            LearningRate = network.LearningRate,
            Rates = network.Rates,
            Share = network.Share,
            ValidationImages = network.ValidationRows,
            RefitImages = network.RefitRows,
            Ended = network.Ended,
            Candidates = network.Candidates,
            Metrics = [.. metrics.Where(m => m.Fold == 0)],
        };
}
