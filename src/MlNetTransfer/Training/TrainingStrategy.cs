using System.Runtime.InteropServices;
using System.Security.Cryptography;
using System.Text.Json;
using MlNetTransfer.Features;

namespace MlNetTransfer.Training;

/// <summary>How much of the network a training run changes.</summary>
public enum TrainingStrategy
{
    /// <summary>
    /// The backbone stays frozen; a head is fitted on its features. Seconds, and hard to beat on few images.
    /// </summary>
    Head,

    /// <summary>A head first, then the upper blocks of the backbone with it, at a low learning rate.</summary>
    FineTune,

    /// <summary>A head first, then the whole backbone with it.</summary>
    Full,

    /// <summary>
    /// The same architecture from random weights: what the pretrained ones are worth is the difference.
    /// </summary>
    Scratch,
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
                    Head = options.Head.ToString(),
                    options.L2,
                    options.ClassWeights,
                    options.ChoosesTap,
                    options.Seed,
                    Mlp = options.Mlp is null ? null : options.Mlp with { Workers = 1 },
                }
            )
        );
        hash.AppendData(MemoryMarshal.AsBytes(train.Labels.AsSpan()));
        hash.AppendData(MemoryMarshal.AsBytes(train.Values.AsSpan()));
        if (options.Validation is { } validation)
            hash.AppendData(MemoryMarshal.AsBytes(validation.Values.AsSpan()));
        return hash.GetHashAndReset();
    }
}
