namespace MlNetTransfer.Heads;

/// <summary>How much a training row of each class counts.</summary>
public enum ClassWeights
{
    /// <summary>Every row counts 1.</summary>
    None,

    /// <summary>
    /// A row of class c counts rows / (classes · rows of c), so that all classes count the same in total.
    /// </summary>
    Balanced,
}
