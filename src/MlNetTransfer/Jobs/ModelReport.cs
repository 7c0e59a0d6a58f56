using MlNetTransfer.Models;
using MlNetTransfer.Models.Exports;

namespace MlNetTransfer.Jobs;

/// <summary>What is in an ONNX file, or in a file of weights alone.</summary>
public sealed record ModelReport
{
    /// <summary>The file.</summary>
    public required string File { get; init; }

    /// <summary>Bytes of the file, without weights beside it.</summary>
    public required long Bytes { get; init; }

    /// <summary>SHA-256 of the file, hexadecimal.</summary>
    public required string Sha256 { get; init; }

    /// <summary>What wrote it, as it says itself; empty where it does not.</summary>
    public required string Producer { get; init; }

    /// <summary>Version of the file format; null for weights alone.</summary>
    public required long? IrVersion { get; init; }

    /// <summary>Versions of its operator sets by domain; ONNX's own is called ai.onnx.</summary>
    public required IReadOnlyDictionary<string, long> OperatorSets { get; init; }

    /// <summary>What has to be fed: name, element type and shape.</summary>
    public required IReadOnlyList<TensorReport> Inputs { get; init; }

    /// <summary>What comes out.</summary>
    public required IReadOnlyList<TensorReport> Outputs { get; init; }

    /// <summary>Operators by name and how often each occurs.</summary>
    public required IReadOnlyDictionary<string, int> Operators { get; init; }

    /// <summary>
    /// Tensors of a file of weights (.pt, .pth, .dat, .safetensors), sorted by name; null for an ONNX file.
    /// </summary>
    public IReadOnlyList<TensorReport>? Tensors { get; init; }

    /// <summary>Elements of all weights.</summary>
    public required long Parameters { get; init; }

    /// <summary>Bytes of all weights and constants, wherever they lie.</summary>
    public required long WeightBytes { get; init; }

    /// <summary>Multiply-adds per image; null where shapes are open, and for weights alone.</summary>
    public required long? MultiplyAdds { get; init; }

    /// <summary>What a file of this product says of itself; null for any other ONNX file.</summary>
    public required ModelMetadata? Metadata { get; init; }

    /// <summary>What an export was let through on; null for other files.</summary>
    public required ExportRecord? Parity { get; init; }

    /// <summary>Keys of the metadata that are not of this product.</summary>
    public required IReadOnlyDictionary<string, string> OtherMetadata { get; init; }

    /// <summary>What could not be found out, and why.</summary>
    public required IReadOnlyList<string> Notes { get; init; }

    /// <summary>What can be said of a file of any kind; all that is in its graph is left empty.</summary>
    /// <param name="path">The file.</param>
    /// <param name="entries">The metadata of the file, or of what lies beside it.</param>
    /// <exception cref="TransferException">It is a file of this product, and an entry of its metadata cannot be
    /// understood.</exception>
    internal static ModelReport Of(string path, IReadOnlyDictionary<string, string> entries) =>
        new()
        {
            File = path,
            Bytes = new FileInfo(path).Length,
            Sha256 = FileDigest.Of(path),
            Producer = "",
            IrVersion = null,
            OperatorSets = new Dictionary<string, long>(),
            Inputs = [],
            Outputs = [],
            Operators = new Dictionary<string, int>(),
            Parameters = 0,
            WeightBytes = 0,
            MultiplyAdds = null,
            Metadata = ModelMetadata.IsOurs(entries) ? ModelMetadata.FromEntries(path, entries) : null,
            Parity = entries.TryGetValue(ExportRecord.Key, out string? record)
                ? ExportRecord.FromJson(path, record)
                : null,
            OtherMetadata = entries
                .Where(e => !e.Key.StartsWith(ModelMetadata.Prefix, StringComparison.Ordinal))
                .ToDictionary(),
            Notes = [],
        };
}
