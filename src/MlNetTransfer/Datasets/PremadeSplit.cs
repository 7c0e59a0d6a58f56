namespace MlNetTransfer.Datasets;

/// <summary>What a pre-made split says about training and evaluation.</summary>
public static class PremadeSplit
{
    /// <summary>The rows to train on and the rows held out.</summary>
    /// <remarks>With test rows, those are held out and train and validation rows are trained on. Without, the validation rows are held out. Rows of no part are on neither side.</remarks>
    /// <param name="parts">The part of each row [rows].</param>
    /// <param name="source">Where the rows came from; named in errors.</param>
    /// <exception cref="TransferException">There is nothing to train on, or nothing is held out.</exception>
    public static TrainTestRows TrainTest(IReadOnlyList<SplitPart> parts, string source)
    {
        int[] heldOut = HeldOut(parts);
        if (heldOut.Length == 0) throw new TransferException($"'{source}' has no usable test or validation images in its split. Mark some as test or val, or leave the split out to have one drawn.");
        SplitPart test = parts[heldOut[0]];
        int[] train = [.. Enumerable.Range(0, parts.Count).Where(row => parts[row] == SplitPart.Train || (parts[row] == SplitPart.Validation && test == SplitPart.Test))];
        return Array.Exists(train, row => parts[row] == SplitPart.Train)
            ? new TrainTestRows(Array.AsReadOnly(train), Array.AsReadOnly(heldOut))
            : throw new TransferException($"'{source}' has no usable training images in its split. Mark some as train, or leave the split out to have one drawn.");
    }

    /// <summary>The rows held out, ascending: the test rows; without any, the validation rows; none where the split has neither.</summary>
    /// <param name="parts">The part of each row [rows].</param>
    public static int[] HeldOut(IReadOnlyList<SplitPart> parts)
    {
        SplitPart part = parts.Contains(SplitPart.Test) ? SplitPart.Test : SplitPart.Validation;
        return [.. Enumerable.Range(0, parts.Count).Where(row => parts[row] == part)];
    }
}
