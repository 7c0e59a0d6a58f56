namespace MlNetTransfer.Datasets;

/// <summary>What a pre-made split says about training and evaluation.</summary>
public static class PremadeSplit
{
    /// <summary>
    /// The part that is held out: <see cref="SplitPart.Test"/>; without any test image,
    /// <see cref="SplitPart.Validation"/>; <see cref="SplitPart.None"/> where there is neither.
    /// </summary>
    /// <param name="parts">The part of each image [items].</param>
    public static SplitPart HeldOut(IReadOnlyList<SplitPart> parts) =>
        parts.Contains(SplitPart.Test) ? SplitPart.Test
        : parts.Contains(SplitPart.Validation) ? SplitPart.Validation
        : SplitPart.None;

    /// <summary>The rows to train on and the rows held out.</summary>
    /// <remarks>
    /// Where test rows are held out, validation rows are trained on with the training rows. Rows of no part are on
    /// neither side.
    /// </remarks>
    /// <param name="parts">The part of each row [rows].</param>
    /// <param name="heldOut">The part that is held out, Test or Validation; see <see cref="HeldOut"/>.</param>
    /// <param name="source">Where the rows came from; named in errors.</param>
    /// <exception cref="TransferException">There is nothing to train on, or nothing is held out.</exception>
    public static TrainTestRows TrainTest(IReadOnlyList<SplitPart> parts, SplitPart heldOut, string source)
    {
        int[] all = [.. Enumerable.Range(0, parts.Count)];
        int[] test = heldOut == SplitPart.None ? [] : Array.FindAll(all, row => parts[row] == heldOut);
        if (test.Length == 0)
            throw new TransferException(
                $"'{source}' has no usable {(heldOut == SplitPart.Test ? "test" : "test or validation")} images in "
                    + $"its split. Mark some as {(heldOut == SplitPart.Test ? "test" : "test or val")}, or leave "
                    + $"the split out to have one drawn."
            );
        int[] train = Array.FindAll(
            all,
            row =>
                parts[row] == SplitPart.Train || (parts[row] == SplitPart.Validation && heldOut != SplitPart.Validation)
        );
        return Array.Exists(train, row => parts[row] == SplitPart.Train)
            ? new TrainTestRows(Array.AsReadOnly(train), Array.AsReadOnly(test))
            : throw new TransferException(
                $"'{source}' has no usable training images in its split. Mark some as train, or leave the split out "
                    + $"to have one drawn."
            );
    }
}
