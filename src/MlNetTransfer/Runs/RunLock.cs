using System.Runtime.InteropServices;
using System.Runtime.Intrinsics;
using System.Security.Cryptography;
using System.Text;
using System.Text.Encodings.Web;
using System.Text.Json;
using Microsoft.ML;
using MlNetTransfer.Backbones;
using MlNetTransfer.Datasets;
using MlNetTransfer.Jobs;

namespace MlNetTransfer.Runs;

/// <summary>
/// All that a model's bytes depend on, as lock.json: two runs with equal locks give equal models. No time and no path
/// is in it.
/// </summary>
public sealed record RunLock
{
    private static readonly JsonSerializerOptions Json = new(JsonSerializerDefaults.Web)
    {
        WriteIndented = true,
        Encoder = JavaScriptEncoder.UnsafeRelaxedJsonEscaping,
    };

    /// <summary>Versions of this library, ML.NET, ONNX Runtime, the image decoder and .NET.</summary>
    public required IReadOnlyDictionary<string, string> Versions { get; init; }

    /// <summary>Kind of system and processor: "linux-x64", and the bits of its vectors.</summary>
    public required string Machine { get; init; }

    /// <summary>What runs the graphs.</summary>
    public required string Device { get; init; }

    /// <summary>Seed of the split and the folds.</summary>
    public required int Seed { get; init; }

    /// <summary>SHA-256 of the card of each backbone, which names the digest of its weights.</summary>
    public required IReadOnlyDictionary<string, string> Backbones { get; init; }

    /// <summary>Images and texts of the data set.</summary>
    public required int Items { get; init; }

    /// <summary>SHA-256 over names, labels, groups, parts and contents of all of them.</summary>
    public required string Data { get; init; }

    /// <summary>SHA-256 over all options of the training but its folders.</summary>
    public required string Options { get; init; }

    /// <summary>SHA-256 of the model file; null before it was made.</summary>
    public string? Model { get; init; }

    /// <summary>Reads a lock.json.</summary>
    /// <exception cref="TransferException">It is missing, or no lock file.</exception>
    public static RunLock Read(string path)
    {
        try
        {
            return JsonSerializer.Deserialize<RunLock>(File.ReadAllText(path), Json)
                ?? throw new TransferException($"'{path}' is no lock file of a run.");
        }
        catch (JsonException e)
        {
            throw new TransferException($"'{path}' is no lock file of a run: {e.Message}", e);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            throw new TransferException($"'{path}' cannot be read: {e.Message} Give the lock.json of a run.", e);
        }
    }

    /// <summary>The lock as lock.json has it.</summary>
    public string ToJson() => JsonSerializer.Serialize(this, Json) + "\n";

    /// <summary>What differs, in words, the model aside; empty where nothing does.</summary>
    public IReadOnlyList<string> Differences(RunLock other)
    {
        ArgumentNullException.ThrowIfNull(other);
        List<string> found = [];
        CompareAll(Versions, other.Versions, "version of ");
        Compare("machine", Machine, other.Machine);
        Compare("device", Device, other.Device);
        Compare("seed", $"{Seed}", $"{other.Seed}");
        CompareAll(Backbones, other.Backbones, "card of backbone ");
        Compare("number of images", $"{Items}", $"{other.Items}");
        Compare("content of the data", Data, other.Data);
        Compare("options of the training", Options, other.Options);
        return found;

        void Compare(string what, string now, string locked)
        {
            if (now != locked)
                found.Add($"{what}: {Short(now)} instead of {Short(locked)}");
        }

        void CompareAll(
            IReadOnlyDictionary<string, string> now,
            IReadOnlyDictionary<string, string> locked,
            string prefix
        )
        {
            foreach (string name in now.Keys.Union(locked.Keys).Order(StringComparer.Ordinal))
                Compare(prefix + name, now.GetValueOrDefault(name, "none"), locked.GetValueOrDefault(name, "none"));
        }

        static string Short(string text) => text.Length == 64 ? text[..12] + "…" : text;
    }

    /// <summary>The lock of a training here and now.</summary>
    internal static RunLock Of(
        TrainOptions train,
        BackboneCatalog catalog,
        IProgress<JobProgress>? progress,
        CancellationToken cancellation
    )
    {
        Dataset data = DatasetReader.Read(train.Folder, train.Dataset);
        return new RunLock
        {
            Versions = new SortedDictionary<string, string>(StringComparer.Ordinal)
            {
                ["MlNetTransfer"] = ProductVersion.Current,
                ["Microsoft.ML"] = ProductVersion.Of(typeof(MLContext)),
                ["ONNX Runtime"] = ItemGraph.RuntimeVersion,
                ["image decoder"] = Imaging.DecoderVersion.Text,
                [".NET"] = RuntimeInformation.FrameworkDescription,
            },
            Machine = $"{RuntimeInformation.RuntimeIdentifier}, vectors of {Vectors()} bits",
            Device = train.Device.ToString().ToLowerInvariant(),
            Seed = train.Seed,
            Backbones = new SortedDictionary<string, string>(
                BackboneCandidates.Of(train, catalog).ToDictionary(id => id, id => catalog.Get(id).Digest()),
                StringComparer.Ordinal
            ),
            Items = data.Items.Count,
            Data = train.Unlabelled is { } others
                ? Hex(
                    SHA256.HashData(
                        Encoding.UTF8.GetBytes(
                            DigestOf(data, train, progress, cancellation)
                                + DigestOf(
                                    DatasetReader.ReadUnlabelled(others, train.Dataset),
                                    train,
                                    progress,
                                    cancellation
                                )
                        )
                    )
                )
                : DigestOf(data, train, progress, cancellation),
            Options = DigestOf(train),
        };
    }

    private static int Vectors() =>
        Vector512.IsHardwareAccelerated ? 512
        : Vector256.IsHardwareAccelerated ? 256
        : 128;

    private static string DigestOf(TrainOptions train) =>
        Hex(SHA256.HashData(Encoding.UTF8.GetBytes(train.Anywhere().ToJson())));

    private static string DigestOf(
        Dataset data,
        TrainOptions train,
        IProgress<JobProgress>? progress,
        CancellationToken cancellation
    )
    {
        using var reader = new ItemReader(train.Limits);
        using var digest = IncrementalHash.CreateHash(HashAlgorithmName.SHA256);
        int done = 0;
        foreach (
            (DataItem item, int i) in data
                .Items.Select((item, i) => (item, i))
                .OrderBy(at => at.item.Name, StringComparer.Ordinal)
        )
        {
            cancellation.ThrowIfCancellationRequested();
            SplitPart? part = data.Splits?[i];
            string label = item.Label < 0 ? "" : data.ClassNames[item.Label];
            digest.AppendData(Encoding.UTF8.GetBytes($"{item.Name}\0{label}\0{item.Group}\0{part}\0"));
            digest.AppendData(Content(reader, item));
            progress?.Report(new JobProgress("Digests of the data", ++done, data.Items.Count));
        }

        return Hex(digest.GetHashAndReset());
    }

    /// <summary>The digest of an item; that of nothing where it cannot be read, which the run says by name.</summary>
    private static byte[] Content(ItemReader reader, DataItem item)
    {
        try
        {
            return SHA256.HashData(reader.Read(item));
        }
        catch (Imaging.ImageRejectedException)
        {
            return new byte[SHA256.HashSizeInBytes];
        }
    }

    private static string Hex(byte[] digest) => Convert.ToHexStringLower(digest);
}
