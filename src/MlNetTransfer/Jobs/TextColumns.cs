using MlNetTransfer.Datasets;
using MlNetTransfer.Encoders;

namespace MlNetTransfer.Jobs;

/// <summary>Texts given to a job: whether they are for what is to take them, and how they are called.</summary>
internal static class TextColumns
{
    /// <param name="encoder">What takes the items.</param>
    /// <param name="column">The column of texts; null where the items are files.</param>
    /// <param name="texts">Texts that were given one by one.</param>
    /// <param name="owner">What has the encoder, for the message: "The model".</param>
    /// <exception cref="TransferException">It takes images.</exception>
    public static void Require(ContentEncoder encoder, string? column, IReadOnlyCollection<string> texts, string owner)
    {
        if (encoder.Kind != EncoderKind.Images || (column is null && texts.Count == 0))
            return;
        string given = column is null ? "--text" : $"--text-column '{column}'";
        throw new TransferException(
            $"{owner} takes images; {given} gives it texts. Take a network of texts (mlnet-transfer models list), or "
                + $"leave {given.Split(' ')[0]} out and give images."
        );
    }

    /// <summary>A text that was given by itself.</summary>
    /// <param name="text">The text.</param>
    /// <param name="number">Which of them, from 1.</param>
    public static DataItem Item(string text, int number) =>
        new(new TextLocation(text), FormattableString.Invariant($"text {number}"));
}
