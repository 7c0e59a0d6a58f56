using System.Runtime.InteropServices;
using System.Security.Cryptography;
using System.Text;
using System.Text.Json;
using MlNetTransfer.Backbones;
using MlNetTransfer.Features;
using MlNetTransfer.Heads;
using MlNetTransfer.Onnx;

namespace MlNetTransfer.Training;

/// <summary>Fits a head; the backbone stays as it is.</summary>
/// <param name="settings">How.</param>
internal sealed class HeadRecipe(RecipeSettings settings) : IRecipe
{
    /// <summary>What is known of the strategy; see <see cref="TrainingStrategy"/>.</summary>
    public static TrainingStrategy Describe() =>
        new("Head", "a classifier on frozen features, in seconds", settings => new HeadRecipe(settings));

    public bool IsQuick => true;

    public void Check(IReadOnlyList<BackboneTap> taps, int classes)
    {
        if (settings.Backbone.Parts.Count > 1 && settings.Head.Head == HeadKind.Neighbours)
            throw new TransferException(
                $"A {HeadKind.Neighbours.Label} head compares raw features, of which those of one network would "
                    + "outweigh those of another. Take one backbone, or another --head."
            );
    }

    public IFitted Fit(RecipeRows all, IReadOnlyList<int> rows, FitContext context)
    {
        FeatureTable train = all.Table.Select(rows);
        FitToJobProgress? progress = FitToJobProgress.Of(context.Progress);
        IReadOnlyList<string> defaults = settings.Backbone.DefaultTaps();
        FittedHead head = settings.Choice is { } choice
            ? new BackboneChooser(choice, settings.Head, all.Groups, all.Costs, defaults).Fit(
                train,
                context.Fold == 0,
                progress,
                context.Cancellation
            )
            : new HeadFitter(settings.Head, all.Groups, defaults).Fit(train, progress, context.Cancellation);
        if (all.Unlabelled is { } unlabelled)
            head = new SelfTraining(unlabelled, settings.PseudoLabels, settings.Head, all.Groups).Fit(
                head,
                train,
                progress,
                context.Cancellation
            );
        (Backbone backbone, IReadOnlyList<BackboneTap> taps) = settings.Backbone.Only([
            .. head.Taps.Select(tap => all.Taps[tap]),
        ]);
        return new FittedOnFrozen(
            head,
            taps,
            backbone,
            () =>
                TrainingDigest.Of(
                    [.. all.Space.Key(), .. settings.Choice?.Digest(all.Costs) ?? [], .. Unlabelled(all)],
                    TrainingDigest.OfRows(train, settings.Head)
                )
        );
    }

    public void Written() { }

    /// <summary>What a fit depends on of images without labels; nothing where there are none.</summary>
    private byte[] Unlabelled(RecipeRows all) =>
        all.Unlabelled is { } unlabelled
            ?
            [
                .. SHA256.HashData(MemoryMarshal.AsBytes(unlabelled.Values.AsSpan())),
                .. Encoding.UTF8.GetBytes(settings.PseudoLabels?.Name ?? ""),
            ]
            : [];

    private sealed class FittedOnFrozen(
        FittedHead head,
        IReadOnlyList<BackboneTap> taps,
        Backbone backbone,
        Func<string> digest
    ) : IFitted
    {
        public FittedHead Head => head;

        public IReadOnlyList<BackboneTap> Taps => taps;

        public TuneSummary? Training => null;

        public IEnumerable<string> Notes => head.SelfTraining is { } unlabelled ? [unlabelled.Verdict] : [];

        public OnnxModel Network() => backbone.LoadModel();

        public FeatureTable Features(RecipeRows all, IReadOnlyList<int> rows, FitContext context) =>
            head.Groups.Columns(all.Table.Select(rows), head.Taps);

        public string Digest() => digest();
    }
}

/// <summary>
/// Names all that a trained head depends on: the space its features lie in, the training rows with their labels, and
/// what was asked for.
/// </summary>
internal static class TrainingDigest
{
    /// <summary>
    /// SHA-256, 64 lower-case hexadecimal digits. Equal digests mean equal models on the same kind of machine.
    /// </summary>
    /// <param name="space">What the features depend on besides the images; see <see cref="FeatureSpace.Key"/>.</param>
    /// <param name="rows">See <see cref="OfRows"/>.</param>
    public static string Of(ReadOnlySpan<byte> space, ReadOnlySpan<byte> rows) =>
        Convert.ToHexStringLower(SHA256.HashData([.. space, .. rows]));

    /// <summary>SHA-256 of the training rows, their labels and what was asked for [32].</summary>
    /// <param name="train">The training rows.</param>
    /// <param name="options">What was asked for.</param>
    public static byte[] OfRows(FeatureTable train, HeadRecipeOptions options)
    {
        using var hash = IncrementalHash.CreateHash(HashAlgorithmName.SHA256);
        hash.AppendData(
            JsonSerializer.SerializeToUtf8Bytes(
                new
                {
                    train.ClassNames,
                    train.Width,
                    Head = options.Head.Name,
                    options.L2,
                    options.ClassWeights,
                    options.ChoosesTap,
                    options.Seed,
                    options.Thresholds,
                }
            )
        );
        hash.AppendData(MemoryMarshal.AsBytes(train.Labels.AsSpan()));
        hash.AppendData(MemoryMarshal.AsBytes(train.Values.AsSpan()));
        return hash.GetHashAndReset();
    }
}
