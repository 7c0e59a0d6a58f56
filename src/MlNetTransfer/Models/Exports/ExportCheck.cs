namespace MlNetTransfer.Models.Exports;

/// <summary>What an export was compared by.</summary>
public enum ExportCheck
{
    /// <summary>The written file itself was run.</summary>
    File,

    /// <summary>
    /// The weights were read back from the written file and run in the graph that they came from; running the file
    /// takes another framework.
    /// </summary>
    Weights,
}
