using MlNetTransfer.Backbones;
using MlNetTransfer.Imaging;
using MlNetTransfer.Onnx;

namespace MlNetTransfer.Models;

/// <summary>
/// Writes a model file that has shown that it agrees with what was evaluated; a file that does not is never kept.
/// </summary>
/// <param name="limits">What an image may cost.</param>
/// <param name="plan">How the check is run; the CPU's plan if null.</param>
public sealed class ModelWriter(ImageLimits? limits = null, ExecutionPlan? plan = null)
{
    /// <summary>Images that a file is checked on, at most.</summary>
    public const int ParityImages = 64;

    /// <summary>
    /// Writes beside the target under a name of its own, reads back, checks on real images, then takes the target's
    /// name.
    /// </summary>
    /// <param name="onnx">The model, metadata included.</param>
    /// <param name="path">The file; replaced where it exists. Its folder is made where it is missing.</param>
    /// <param name="sample">Images and what was evaluated for them.</param>
    /// <param name="progress">Told after every image.</param>
    /// <param name="cancellation">Ends the work; the target is not touched.</param>
    /// <returns>How far the file agrees, and its SHA-256 (hexadecimal).</returns>
    /// <exception cref="TransferException">
    /// The file does not agree, or the folder cannot be made; a file that was there before stays. Or the target cannot
    /// be replaced: then the verified file stays beside it, and the message says where.
    /// </exception>
    /// <exception cref="GraphException">The file cannot be written, e.g. because the disk is full.</exception>
    public (ParityRecord Parity, string Sha256) Write(
        OnnxModel onnx,
        string path,
        ParitySample sample,
        IProgress<JobProgress>? progress = null,
        CancellationToken cancellation = default
    )
    {
        (StagedFile file, ParityRecord parity) = Stage(onnx, path, sample, progress, cancellation);
        using (file)
            file.Take();
        return (parity, file.Sha256);
    }

    /// <summary>All of that but the last step.</summary>
    internal (StagedFile File, ParityRecord Parity) Stage(
        OnnxModel onnx,
        string path,
        ParitySample sample,
        IProgress<JobProgress>? progress,
        CancellationToken cancellation
    )
    {
        string folder = Path.GetDirectoryName(Path.GetFullPath(path))!;
        try
        {
            Directory.CreateDirectory(folder);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            throw new TransferException(
                $"Folder '{folder}' cannot be made: {e.Message} Choose another output folder.",
                e
            );
        }

        var file = new StagedFile(path);
        try
        {
            onnx.Save(file.Path);
            file.Seal();
            ParityRecord parity = Verify(file.Path, sample, progress, cancellation);
            return parity.Agrees
                ? (file, parity)
                : throw new TransferException(
                    string.Create(
                        System.Globalization.CultureInfo.InvariantCulture,
                        $"'{path}' was not kept: on {parity.Images} images the written model differs from the "
                            + $"evaluated one by up to {parity.MaxDifference:g3} in probability; at most "
                            + $"{ParityRecord.Tolerance:g1} was expected. This is a fault of the export: report "
                            + $"it with the backbone's id."
                    )
                );
        }
        catch (Exception e)
        {
            file.Dispose();
            if (e is IOException or UnauthorizedAccessException)
                throw new TransferException(
                    $"'{path}' cannot be written: {e.Message} Check the folder's permissions and the disk.",
                    e
                );
            throw;
        }
    }

    private ParityRecord Verify(
        string file,
        ParitySample sample,
        IProgress<JobProgress>? progress,
        CancellationToken cancellation
    )
    {
        using TransferModel model = TransferModel.Load(file, limits, plan);
        ImageRows found = model.Predict(sample.Items, "Checking the written model", progress, cancellation);
        if (found.Rejected.Count > 0)
            throw new TransferException(
                $"'{file}' could not be checked: {found.Rejected[0].File} was readable before and is not any more "
                    + $"({found.Rejected[0].Reason}). Run again when the images do not change."
            );
        return ParityRecord.Of(sample.Probabilities, found.Values, model.ClassNames.Count);
    }
}
