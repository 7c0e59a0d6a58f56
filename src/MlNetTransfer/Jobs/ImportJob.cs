using System.Security.Cryptography;
using System.Text;
using MlNetTransfer.Models;
using MlNetTransfer.Models.Exports;
using MlNetTransfer.Onnx;
using MlNetTransfer.Onnx.Torch;

namespace MlNetTransfer.Jobs;

/// <summary>Puts weights that were trained elsewhere into the model that they were exported from.</summary>
/// <remarks>
/// Operators, names, classes and preprocessing stay. The model card goes: its figures are those of other weights. The
/// training digest becomes that of the old one and the weights.
/// </remarks>
/// <param name="modelPath">The model.onnx that was exported.</param>
/// <param name="weightsPath">A TorchScript archive or state dictionary (.pt), a state dictionary of TorchSharp (.dat),
/// or .safetensors.</param>
/// <param name="output">The file to write.</param>
/// <param name="overwrite">Whether a file that is there may be replaced.</param>
public sealed class ImportJob(string modelPath, string weightsPath, string output, bool overwrite = false)
{
    /// <summary>Runs the job.</summary>
    /// <exception cref="TransferException">The model is not one of this product, the output exists, or the weights give
    /// numbers that are not finite.</exception>
    /// <exception cref="GraphException">A file cannot be read, or the weights do not fit the model; the message lists
    /// the differences.</exception>
    public ImportSummary Run()
    {
        ExportWriter.RequireFree(output, overwrite);
        OnnxModel model = OnnxModel.Load(modelPath);
        var request = new ExportRequest(modelPath, model);
        NamedTensors weights = TorchWeights.Read(weightsPath);
        OnnxModel changed = WeightsByName.Fits(model, weights.Tensors)
            ? WeightsByName.Replace(model, weights.Tensors, weightsPath)
            : model.WithWeights(weights, new TorchExportOptions { Output = TransferModel.ProbabilitiesOutput });
        string digest = Digest(request.Metadata.TrainingDigest);
        foreach (
            (string key, string value) in (
                request.Metadata with
                {
                    TrainingDigest = digest,
                    ModelCard = null,
                }
            ).ToEntries()
        )
            changed = changed.WithMetadata(key, value);
        changed = changed.WithMetadata(ModelMetadata.CardKey, null);
        string sha256 = Write(changed, request.Metadata.Preprocessing.TensorLength);
        return new ImportSummary(output, sha256, digest, weights.Tensors.Count);
    }

    /// <summary>Written beside the target, read back and run once before it takes the target's name.</summary>
    /// <returns>Its SHA-256.</returns>
    private string Write(OnnxModel model, int length)
    {
        try
        {
            Directory.CreateDirectory(Path.GetDirectoryName(Path.GetFullPath(output))!);
            using OutputLock held = OutputLock.OfFile(output);
            using var file = new StagedFile(output);
            model.Save(file.Path);
            file.Seal();
            using (TransferModel read = TransferModel.Load(file.Path))
                read.Predict([new float[length]]);
            file.Take(overwrite);
            return file.Sha256;
        }
        catch (Imaging.ImageRejectedException e)
        {
            throw new TransferException(
                $"'{output}' was not written: with the weights of '{weightsPath}' {e.Reason}, for an image of "
                    + $"zeros. Was the training stable?",
                e
            );
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            throw new TransferException(
                $"'{output}' cannot be written: {e.Message} Check the folder's permissions and the disk, or give "
                    + $"another --output.",
                e
            );
        }
    }

    private string Digest(string before) =>
        Convert.ToHexStringLower(
            SHA256.HashData(Encoding.UTF8.GetBytes($"import\n{before}\n{FileDigest.Of(weightsPath)}"))
        );
}

/// <summary>What an import wrote.</summary>
/// <param name="Model">The file.</param>
/// <param name="ModelSha256">SHA-256 of the file, hexadecimal.</param>
/// <param name="TrainingDigest">SHA-256 over the old digest and the weights, hexadecimal.</param>
/// <param name="Tensors">Tensors in the file of weights.</param>
public sealed record ImportSummary(string Model, string ModelSha256, string TrainingDigest, int Tensors);
