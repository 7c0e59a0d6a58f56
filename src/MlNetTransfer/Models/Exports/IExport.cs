namespace MlNetTransfer.Models.Exports;

/// <summary>A converted model, ready to be written.</summary>
public interface IExport
{
    /// <summary>Writes the file, and files beside it whose names begin with its own.</summary>
    /// <param name="path">The file; it does not exist yet, its folder does.</param>
    /// <param name="record">How far the file agrees with the evaluated model; null for the file that this is measured
    /// on.</param>
    void Save(string path, ExportRecord? record);

    /// <summary>Reads a written file back, to find out what it says of images.</summary>
    /// <param name="path">What <see cref="Save"/> wrote.</param>
    IExportScorer Open(string path);
}
