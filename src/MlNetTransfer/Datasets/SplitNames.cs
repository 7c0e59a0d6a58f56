namespace MlNetTransfer.Datasets;

/// <summary>
/// The words for the parts of a split, in folders' names and in lists; case, '-', '_' and blanks do not matter.
/// </summary>
internal static class SplitNames
{
    public const string Expected =
        "train, val or test (also training, seg_train, training_set; valid, validation, dev, eval; testing, "
        + "seg_test, test_set, holdout)";

    public static SplitPart? Parse(string word) =>
        string.Concat(word.Where(c => c is not ('-' or '_' or ' '))).ToUpperInvariant() switch
        {
            "TRAIN" or "TRAINING" or "SEGTRAIN" or "TRAINSET" or "TRAININGSET" => SplitPart.Train,
            "VAL"
            or "VALID"
            or "VALIDATION"
            or "DEV"
            or "EVAL"
            or "SEGVAL"
            or "VALSET"
            or "VALIDATIONSET"
            or "DEVSET" => SplitPart.Validation,
            "TEST" or "TESTING" or "SEGTEST" or "TESTSET" or "TESTINGSET" or "HOLDOUT" => SplitPart.Test,
            _ => null,
        };
}
