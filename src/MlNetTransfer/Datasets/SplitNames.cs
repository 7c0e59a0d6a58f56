namespace MlNetTransfer.Datasets;

/// <summary>The words for the parts of a split, in folders' names and in lists; case does not matter.</summary>
internal static class SplitNames
{
    public const string Expected = "train, val (or valid, validation) or test";

    public static SplitPart? Parse(string word) => word.ToUpperInvariant() switch
    {
        "TRAIN" => SplitPart.Train,
        "VAL" or "VALID" or "VALIDATION" => SplitPart.Validation,
        "TEST" => SplitPart.Test,
        _ => null,
    };
}
