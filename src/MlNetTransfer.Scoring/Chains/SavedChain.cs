using System.Collections.Concurrent;
using System.Globalization;
using System.IO.Compression;
using System.Security.Cryptography;
using System.Text;
using Microsoft.ML;
using Microsoft.ML.Data;
using MlNetTransfer.Backbones;
using MlNetTransfer.Datasets;
using MlNetTransfer.Imaging;

namespace MlNetTransfer.Scoring.Chains;

/// <summary>A .zip that ML.NET saved, and how its input is made of images.</summary>
internal static class SavedChain
{
    /// <summary>Opens the model of a batch.</summary>
    /// <exception cref="TransferException">It cannot be read, an option does not go with it, or what it takes is not
    /// known to be an image.</exception>
    public static ChainScorer Open(ScoreOptions options, IReadOnlyList<string> passed)
    {
        RequireEffect(options);
        if (!File.Exists(options.Model))
            throw new TransferException($"There is no model '{options.Model}'. Give a .zip that ML.NET saved.");
        ITransformer model;
        DataViewSchema input;
        try
        {
            model = new MLContext().RegisterMlNetTransfer().Model.Load(options.Model, out input);
        }
        catch (Exception e) when (e is not OutOfMemoryException)
        {
            throw new TransferException(
                $"'{options.Model}' cannot be read as a model of ML.NET: {e.Message.ReplaceLineEndings(" ")} Save it "
                    + "again with mlContext.Model.Save.",
                e
            );
        }

        if (input is null)
            throw new TransferException(
                $"'{options.Model}' does not say what it takes: it was saved without its input's schema. Save it again "
                    + "with mlContext.Model.Save(model, data.Schema, file)."
            );
        var rows = new ImageRows(options, input, passed, ChainScorer.NeededBy(model, input, ofOwn: true));
        return new ChainScorer(
            model,
            FileDigest.Of(options.Model),
            rows.Columns,
            rows.Of,
            null,
            options.Workers,
            passed
        )
        {
            Owned = [rows, .. model is IDisposable disposable ? [disposable] : Array.Empty<IDisposable>()],
        };
    }

    /// <summary>What tells a model in memory from others: SHA-256 of what ML.NET would save of it.</summary>
    /// <exception cref="TransferException">It cannot be saved.</exception>
    public static string DigestOf(ITransformer model, DataViewSchema input)
    {
        using var saved = new MemoryStream();
        try
        {
            new MLContext().Model.Save(model, input, saved);
        }
        catch (Exception e) when (e is NotSupportedException or InvalidOperationException or ArgumentException)
        {
            throw new TransferException(
                "The model cannot be saved, so nothing tells it from another when the batch goes on: "
                    + $"{e.Message.ReplaceLineEndings(" ")} Give it a name of its own: "
                    + $"{nameof(DataScoreOptions)}.{nameof(DataScoreOptions.ModelName)}.",
                e
            );
        }

        // The archive has the time of day in it; what is in its entries has not.
        using var archive = new ZipArchive(saved, ZipArchiveMode.Read);
        using var digest = IncrementalHash.CreateHash(HashAlgorithmName.SHA256);
        foreach (ZipArchiveEntry entry in archive.Entries.OrderBy(e => e.FullName, StringComparer.Ordinal))
        {
            using Stream content = entry.Open();
            digest.AppendData(Encoding.UTF8.GetBytes(entry.FullName + "\0"));
            digest.AppendData(SHA256.HashData(content));
        }

        return Convert.ToHexStringLower(digest.GetHashAndReset());
    }

    /// <summary>An option without effect would look like one that was tried.</summary>
    private static void RequireEffect(ScoreOptions options)
    {
        (string Name, bool IsGiven)[] ofOurs =
        [
            ("--top", options.Top != 1),
            ("--probabilities", options.Probabilities),
            ("--features", options.Features),
            ("--also", options.AlsoModels.Count > 0),
            ("--sets", options.Sets != default),
            ("--device", options.Device != ExecutionProvider.Cpu),
        ];
        foreach ((string name, bool given) in ofOurs)
            if (given)
                throw new TransferException(
                    $"{name} has no effect here: '{options.Model}' is a model of ML.NET, whose columns are those that "
                        + "it gives. Leave it out."
                );
    }

    /// <summary>Makes rows of a model's input: the image, and what a list has for the other columns.</summary>
    private sealed class ImageRows : IDisposable
    {
        private static readonly string[] NotAnImage = ["Label"];

        private readonly ImageLimits limits;
        private readonly ConcurrentBag<ItemReader> readers = [];
        private readonly Func<ScoreInput, object?>[] values;

        public ImageRows(
            ScoreOptions options,
            DataViewSchema input,
            IReadOnlyList<string> passed,
            IReadOnlySet<string> needed
        )
        {
            (limits, Columns) = (options.Limits, new RowColumns(input));
            DataViewSchema.Column image = ImageOf(options.Model, input);
            if (needed.FirstOrDefault(name => name != image.Name && Listed(passed, name) < 0) is { } missing)
                throw new TransferException(
                    $"'{options.Model}' needs the column '{missing}', and the input '{options.Input}' has none of that "
                        + $"name{(passed.Count > 0 ? $"; it has {string.Join(", ", passed)}" : "")}. Give a list "
                        + "with it."
                );
            values =
            [
                .. input.Select(column =>
                    column.Index == image.Index ? Image(column.Type is TextDataViewType)
                    : Listed(passed, column.Name) is var place && place >= 0 ? From(place, column)
                    : _ => null
                ),
            ];
        }

        public RowColumns Columns { get; }

        public void Dispose()
        {
            foreach (ItemReader reader in readers)
                reader.Dispose();
        }

        public object?[] Of(ScoreInput input) => Array.ConvertAll(values, value => value(input));

        private static int Listed(IReadOnlyList<string> passed, string name) =>
            passed.ToList().FindIndex(column => column.Equals(name, StringComparison.OrdinalIgnoreCase));

        private static DataViewSchema.Column ImageOf(string model, DataViewSchema input)
        {
            DataViewSchema.Column[] open = [.. input.Where(c => !c.IsHidden && !NotAnImage.Contains(c.Name))],
                bytes =

                [
                    .. open.Where(c =>
                        c.Type is VectorDataViewType { ItemType: NumberDataViewType item }
                        && item == NumberDataViewType.Byte
                    ),
                ],
                texts = [.. open.Where(c => c.Type is TextDataViewType)],
                named =

                [
                    .. texts.Where(c =>
                        c.Name.Contains("image", StringComparison.OrdinalIgnoreCase)
                        || ListColumns.PathNames.Contains(c.Name, StringComparer.OrdinalIgnoreCase)
                    ),
                ];
            foreach (DataViewSchema.Column[] some in (DataViewSchema.Column[][])[bytes, texts, named])
                if (some is [var only])
                    return only;
            throw new TransferException(
                $"'{model}' takes {string.Join(", ", input.Select(c => $"{c.Name} ({c.Type})"))}, and it is not clear "
                    + "which of them is the image: expected one column of bytes, or one of text with a path. Score it "
                    + "from C#, with mlContext.Data.Score over data of your own."
            );
        }

        private Func<ScoreInput, object?> Image(bool isPath) =>
            isPath
                ? input =>
                    input.Location is FileLocation file
                        ? file.Path.AsMemory()
                        : throw new TransferException(
                            "the model takes the path of a file, and this image is in an archive or a database. Unpack "
                                + "it first"
                        )
                : input =>
                {
                    // An archive stays open with its reader.
                    ItemReader reader = readers.TryTake(out ItemReader? idle) ? idle : new ItemReader(limits);
                    try
                    {
                        byte[] content = reader.Read(new DataItem(input.Location!, input.Key)).ToArray();
                        return new VBuffer<byte>(content.Length, content);
                    }
                    finally
                    {
                        readers.Add(reader);
                    }
                };

        private static Func<ScoreInput, object?> From(int place, DataViewSchema.Column column)
        {
            if (column.Type is TextDataViewType)
                return input => (input.Values[place] ?? "").AsMemory();
            Type type = column.Type.RawType;
            if (!typeof(IConvertible).IsAssignableFrom(type))
                return _ => null;
            return input =>
            {
                string text = input.Values[place] ?? "";
                try
                {
                    return text.Length == 0 ? null : Convert.ChangeType(text, type, CultureInfo.InvariantCulture);
                }
                catch (Exception e) when (e is FormatException or OverflowException)
                {
                    throw new TransferException($"'{column.Name}' is '{text}'; {column.Type} was expected", e);
                }
            };
        }
    }
}
