using System.Security.Cryptography;
using System.Text;
using MlNetTransfer.Models;
using MlNetTransfer.Models.Exports;
using MlNetTransfer.Onnx;
using MlNetTransfer.Onnx.Torch;

namespace MlNetTransfer.Jobs;

/// <summary>An import to make. Immutable; an invalid instance cannot be made.</summary>
public sealed record ImportOptions : JobRequest
{
    /// <summary>The model.onnx that was exported.</summary>
    public required string Model
    {
        get;
        init => field = Check.NotEmpty(value);
    }

    /// <summary>
    /// The weights: a TorchScript archive or state dictionary (.pt), a state dictionary of TorchSharp (.dat), or
    /// .safetensors.
    /// </summary>
    public required string Weights
    {
        get;
        init => field = Check.NotEmpty(value);
    }

    /// <summary>The file to write.</summary>
    public required string Output
    {
        get;
        init => field = Check.NotEmpty(value);
    }

    /// <summary>Whether a file that is there may be replaced. Default false.</summary>
    public bool Overwrite { get; init; }

    /// <inheritdoc/>
    public override ImportJob CreateJob(JobServices? services = null) => new(this, services);
}

/// <summary>Puts weights that were trained elsewhere into the model that they were exported from.</summary>
/// <remarks>
/// Operators, names, classes and preprocessing stay. The model card goes: its figures are those of other weights. The
/// training digest becomes that of the old one and the weights.
/// </remarks>
public sealed class ImportJob : IJob<ImportSummary>
{
    private readonly ImportOptions options;

    /// <summary>Makes the job.</summary>
    /// <param name="options">The import.</param>
    /// <param name="services">As all jobs have them; this one needs none.</param>
    public ImportJob(ImportOptions options, JobServices? services = null) => this.options = options;

    /// <summary>Runs the job.</summary>
    /// <param name="progress">Told how far it is.</param>
    /// <param name="cancellation">Ends the job before the file takes its name; none is touched.</param>
    /// <exception cref="TransferException">The model is not one of this product, the output exists, or the weights give
    /// numbers that are not finite.</exception>
    /// <exception cref="GraphException">A file cannot be read, or the weights do not fit the model; the message lists
    /// the differences.</exception>
    public ImportSummary Run(IProgress<JobProgress>? progress = null, CancellationToken cancellation = default)
    {
        Step(0);
        ExportWriter.RequireFree(options.Output, options.Overwrite);
        OnnxModel model = OnnxModel.Load(options.Model);
        var request = new ExportRequest(options.Model, model);
        NamedTensors weights = TorchWeights.Read(options.Weights);
        Step(1);
        OnnxModel changed = WeightsByName.Fits(model, weights.Tensors)
            ? WeightsByName.Replace(model, weights.Tensors, options.Weights)
            : model.WithWeights(weights, new TorchExportOptions { Output = TransferModel.ProbabilitiesOutput });
        string digest = Digest(request.Metadata.TrainingDigest);
        // What was promised, and the scores of unknown images, were of the old weights.
        changed = ModelFile.Stated(
            changed.CutAt(TransferModel.ProbabilitiesOutput, TransferModel.LabelOutput),
            request.Metadata with
            {
                TrainingDigest = digest,
                ModelCard = null,
                Reliability = null,
            }
        );
        Step(2);
        string sha256 = Write(changed, request.Metadata.Preprocessing.TensorLength, cancellation);
        return new ImportSummary(options.Output, sha256, digest, weights.Tensors.Count);

        void Step(int done)
        {
            cancellation.ThrowIfCancellationRequested();
            progress?.Report(new JobProgress("Importing weights", done, 3));
        }
    }

    /// <summary>Written beside the target, read back and run once before it takes the target's name.</summary>
    /// <returns>Its SHA-256.</returns>
    private string Write(OnnxModel model, int length, CancellationToken cancellation)
    {
        try
        {
            Directory.CreateDirectory(Path.GetDirectoryName(Path.GetFullPath(options.Output))!);
            using OutputLock held = OutputLock.OfFile(options.Output);
            (StagedFile file, _) = ModelFile.Stage(
                model,
                options.Output,
                path =>
                {
                    using TransferModel read = TransferModel.Load(path);
                    return read.Predict([new float[length]], cancellation);
                }
            );
            using (file)
            {
                cancellation.ThrowIfCancellationRequested();
                file.Take(options.Overwrite);
                return file.Sha256;
            }
        }
        catch (Imaging.ImageRejectedException e)
        {
            throw new TransferException(
                $"'{options.Output}' was not written: with the weights of '{options.Weights}' {e.Reason}, for an "
                    + $"image of zeros. Was the training stable?",
                e
            );
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            throw new TransferException(
                $"'{options.Output}' cannot be written: {e.Message} Check the folder's permissions and the disk, or "
                    + $"give another --output.",
                e
            );
        }
    }

    private string Digest(string before) =>
        Convert.ToHexStringLower(
            SHA256.HashData(Encoding.UTF8.GetBytes($"import\n{before}\n{FileDigest.Of(options.Weights)}"))
        );
}

/// <summary>What an import wrote.</summary>
/// <param name="Model">The file.</param>
/// <param name="ModelSha256">SHA-256 of the file, hexadecimal.</param>
/// <param name="TrainingDigest">SHA-256 over the old digest and the weights, hexadecimal.</param>
/// <param name="Tensors">Tensors in the file of weights.</param>
public sealed record ImportSummary(string Model, string ModelSha256, string TrainingDigest, int Tensors);
