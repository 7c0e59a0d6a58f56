namespace MlNetTransfer.Datasets;

/// <summary>What to do with columns of a list that mean nothing here.</summary>
public enum ExtraColumns
{
    /// <summary>They are an error, so that a misspelt "group" or "split" is not silently without effect.</summary>
    Refuse,

    /// <summary>They are passed over.</summary>
    Ignore,
}
