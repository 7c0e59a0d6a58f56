namespace MlNetTransfer.Models.Exports;

/// <summary>
/// A form that a trained model can be written in. Adding one is adding a class to <see cref="ExportFormats"/>.
/// </summary>
public interface IExportFormat
{
    /// <summary>Its name on the command line, lower-case.</summary>
    string Name { get; }

    /// <summary>What the file takes and what it is for; one sentence.</summary>
    string Description { get; }

    /// <summary>Name of the file where none is given.</summary>
    string FileName { get; }

    /// <summary>
    /// Largest difference in probability from the evaluated model at which a file is kept, unless the caller allows
    /// another.
    /// </summary>
    double Tolerance { get; }

    /// <summary>What is compared before a file is kept.</summary>
    ExportCheck Check => ExportCheck.File;

    /// <summary>
    /// Whether the conversion is fitted to images (<see cref="ExportRequest.Calibration"/>): the export is then checked
    /// on others.
    /// </summary>
    bool IsFitted => false;

    /// <summary>Converts a model; nothing is written.</summary>
    /// <param name="request">The model and what is wanted.</param>
    /// <param name="progress">Told how far the work is.</param>
    /// <param name="cancellation">Ends the work.</param>
    /// <exception cref="TransferException">The model cannot be written in this form; the message names what stands in
    /// the way.</exception>
    /// <exception cref="Onnx.GraphException">An operator cannot be converted; the message names it.</exception>
    IExport Convert(
        ExportRequest request,
        IProgress<JobProgress>? progress = null,
        CancellationToken cancellation = default
    );
}
