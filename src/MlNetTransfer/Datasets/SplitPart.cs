namespace MlNetTransfer.Datasets;

/// <summary>The part of a pre-made split that an image belongs to.</summary>
public enum SplitPart
{
    /// <summary>None: its list has a split column, but says nothing for this image.</summary>
    None,

    /// <summary>For training: "train".</summary>
    Train,

    /// <summary>For choices made while training: "val", "valid" or "validation".</summary>
    Validation,

    /// <summary>For the evaluation: "test".</summary>
    Test,
}
