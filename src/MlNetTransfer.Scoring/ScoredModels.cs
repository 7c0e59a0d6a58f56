using MlNetTransfer.Backbones;
using MlNetTransfer.Encoders;
using MlNetTransfer.Models;

namespace MlNetTransfer.Scoring;

/// <summary>The models of a batch, opened as one, and what they are.</summary>
internal sealed class ScoredModels : IDisposable
{
    private ScoredModels(JointModel joint, IReadOnlyList<string> digests, string identity) =>
        (Joint, Digests, Identity) = (joint, digests, identity);

    /// <summary>All of them.</summary>
    public JointModel Joint { get; }

    /// <summary>SHA-256 of the file of each.</summary>
    public IReadOnlyList<string> Digests { get; }

    /// <summary>What tells them from others: the digest of the first, and how the others are called.</summary>
    public string Identity { get; }

    /// <summary>Opens the models of a batch.</summary>
    /// <exception cref="TransferException">One is missing or cannot be used, or they do not go together.</exception>
    public static ScoredModels Load(ScoreOptions options)
    {
        // An address is looked up once: a stage may get another version at any time.
        string[] files =
        [
            ModelRegistry.FileOf(options.Model),
            .. options.AlsoModels.Select(also => ModelRegistry.FileOf(also.Model)),
        ];
        string[] digests = Array.ConvertAll(files, DigestOf);
        var joint = JointModel.Load(
            files,
            options.Features,
            options.Limits,
            ExecutionPlan.For(options.Device, options.Workers)
        );
        if (joint.Encoder.Kind != EncoderKind.Texts)
            return new ScoredModels(joint, digests, Named(options, digests));
        joint.Dispose();
        throw new TransferException(
            $"Model '{options.Model}' takes texts; batches of images are scored. Take 'predict --text-column'."
        );
    }

    /// <inheritdoc/>
    public void Dispose() => Joint.Dispose();

    private static string Named(ScoreOptions options, string[] digests) =>
        string.Join(
            " and ",
            options
                .AlsoModels.Zip(
                    digests.Skip(1),
                    (also, digest) => $"{also.Name}={digest[..SegmentScorer.DigestDigits]}"
                )
                .Prepend(options.AlsoModels.Count == 0 ? digests[0] : digests[0][..SegmentScorer.DigestDigits])
        );

    private static string DigestOf(string model) =>
        File.Exists(model)
            ? FileDigest.Of(model)
            : throw new TransferException($"There is no model '{model}'. Give the model.onnx of a training.");
}

/// <summary>A model of a batch beside the first. Immutable; an invalid instance cannot be made.</summary>
public sealed record AlsoModel
{
    /// <param name="name">What its columns begin with: letters, digits, - and _; at most 40.</param>
    /// <param name="model">The model file, or an address of the registry.</param>
    /// <exception cref="ArgumentException">The name has other characters, or one of them is empty.</exception>
    public AlsoModel(string name, string model)
    {
        ArgumentNullException.ThrowIfNull(name);
        Name =
            name.Length is > 0 and <= Longest && name.All(c => c is '-' or '_' || char.IsAsciiLetterOrDigit(c))
                ? name
                : throw new ArgumentException(
                    $"The name of a further model is '{name}'; expected at most {Longest} letters, digits, - and _.",
                    nameof(name)
                );
        Model = Check.NotEmpty(model);
    }

    private const int Longest = 40;

    /// <summary>What its columns begin with.</summary>
    public string Name { get; }

    /// <summary>The model file, or an address of the registry.</summary>
    public string Model { get; }

    /// <summary>Reads "colour=out/colour/model.onnx".</summary>
    /// <exception cref="FormatException">It is written otherwise.</exception>
    public static AlsoModel Parse(string text)
    {
        ArgumentNullException.ThrowIfNull(text);
        try
        {
            return text.Split('=', 2) is [var name, var model]
                ? new AlsoModel(name, model)
                : throw new FormatException(Expected());
        }
        catch (ArgumentException e)
        {
            throw new FormatException(Expected(), e);
        }

        string Expected() =>
            $"'{text}' is no further model; expected NAME=FILE, for example colour=out/colour/model.onnx; the name "
            + $"begins its columns and has at most {Longest} letters, digits, - and _.";
    }

    /// <inheritdoc/>
    public override string ToString() => $"{Name}={Model}";
}
