using Microsoft.ML;
using MlNetTransfer.Datasets;
using MlNetTransfer.Imaging;
using static Microsoft.ML.DataOperationsCatalog;

namespace MlNetTransfer;

/// <summary>Labelled images in ML.NET's catalog of data.</summary>
public static class ImageDataCatalog
{
    /// <summary>Loads a folder with one folder per class, or with train, val and test folders of those.</summary>
    /// <param name="data"><c>mlContext.Data</c>.</param>
    /// <param name="folder">The folder.</param>
    /// <param name="onRejected">
    /// Told of files that are no image rows, e.g. because they lie beside the class folders; null: the first one is an
    /// error.
    /// </param>
    /// <returns>
    /// Columns ImagePath (text, the file), Label (text, the class), and Split (text) where the folder has a split. No
    /// image is opened.
    /// </returns>
    /// <exception cref="TransferException"> The folder is missing, or not as it has to be; the message names the place
    /// and the fix.
    /// </exception>
    public static IDataView LoadImageFolder(
        this DataOperationsCatalog data,
        string folder,
        Action<RejectedItem>? onRejected = null
    ) => Load(data, folder, onRejected);

    /// <summary>Loads a .csv, .tsv, .jsonl or .ndjson list of images and labels.</summary>
    /// <param name="data"><c>mlContext.Data</c>.</param>
    /// <param name="list">The list, with path and label, and where they apply group and split.</param>
    /// <param name="onRejected">Told of rows that cannot be used; null: the first one is an error.</param>
    /// <returns>Columns ImagePath, Label, and where the list has them Group and Split; all text.</returns>
    /// <exception cref="TransferException"> The list is missing, or not as it has to be; the message names the line and
    /// the fix.
    /// </exception>
    public static IDataView LoadImageList(
        this DataOperationsCatalog data,
        string list,
        Action<RejectedItem>? onRejected = null
    ) => Load(data, list, onRejected);

    /// <summary>
    /// Loads a .zip of class folders. It is never extracted: an image is inflated when its row is read.
    /// </summary>
    /// <param name="data"><c>mlContext.Data</c>.</param>
    /// <param name="zip">The archive.</param>
    /// <param name="onRejected">Told of entries that cannot be used; null: the first one is an error.</param>
    /// <returns>
    /// Columns ImagePath (text, the entry's name), Image (vector of bytes, the encoded image), Label, and Split where
    /// the archive has one.
    /// </returns>
    /// <exception cref="TransferException">The archive is missing, or not as it has to be.</exception>
    public static IDataView LoadImageZip(
        this DataOperationsCatalog data,
        string zip,
        Action<RejectedItem>? onRejected = null
    )
    {
        Dataset read = Read(zip, onRejected);
        return Without(
            data,
            read,
            data.LoadFromEnumerable(
                read.Items.Select(
                    (item, i) =>
                        new ZipRow(item)
                        {
                            ImagePath = item.Name,
                            Label = read.ClassNames[item.Label],
                            Split = SplitOf(read, i),
                        }
                )
            )
        );
    }

    /// <summary>
    /// Divides rows by class: every class has its share on both sides, images of one group and images that are byte for
    /// byte the same stand on one side, and the result does not depend on the order of the rows, nor on the culture.
    /// Rows of the test part are never trained on, whatever order they come in.
    /// </summary>
    /// <param name="data"><c>mlContext.Data</c>.</param>
    /// <param name="rows">The rows.</param>
    /// <param name="labelColumnName">Column of classes: text, key or bool.</param>
    /// <param name="groupColumnName">Column of groups (text); null for none.</param>
    /// <param name="imageColumnName">
    /// Column of images, by whose content rows are told apart; read once. Default "ImagePath".
    /// </param>
    /// <param name="testFraction">Share of each class for the test, in [0.01, 0.99].</param>
    /// <param name="seed">Equal seeds give equal divisions.</param>
    /// <exception cref="TransferException"> A column is missing or of another type, an image cannot be read, or a class
    /// is all of one group.
    /// </exception>
    public static TrainTestData StratifiedSplit(
        this DataOperationsCatalog data,
        IDataView rows,
        string labelColumnName = "Label",
        string? groupColumnName = null,
        string imageColumnName = "ImagePath",
        double testFraction = 0.2,
        int seed = 1
    )
    {
        ArgumentNullException.ThrowIfNull(data);
        DivisibleRows read = DivisibleRows.Read(rows, labelColumnName, groupColumnName, imageColumnName);
        HashSet<int> test = [.. read.Split(testFraction, seed).Test];
        return Parts(rows, read.Labels.Length, test.Contains);
    }

    /// <summary>
    /// Divides rows into folds by the rules of <see cref="StratifiedSplit"/>: each row is in the test part of one fold.
    /// </summary>
    /// <param name="data"><c>mlContext.Data</c>.</param>
    /// <param name="rows">The rows.</param>
    /// <param name="folds">Number of folds, in [2, 20].</param>
    /// <param name="labelColumnName">Column of classes: text, key or bool.</param>
    /// <param name="groupColumnName">Column of groups (text); null for none.</param>
    /// <param name="imageColumnName">
    /// Column of images, by whose content rows are told apart. Default "ImagePath".
    /// </param>
    /// <param name="seed">
    /// Equal seeds give equal folds: those of <c>mlnet-transfer train --folds</c> on the same images.
    /// </param>
    /// <exception cref="TransferException"> A column is missing or of another type, an image cannot be read, or there
    /// are too few groups.
    /// </exception>
    public static IReadOnlyList<TrainTestData> StratifiedFolds(
        this DataOperationsCatalog data,
        IDataView rows,
        int folds = 5,
        string labelColumnName = "Label",
        string? groupColumnName = null,
        string imageColumnName = "ImagePath",
        int seed = 1
    )
    {
        ArgumentNullException.ThrowIfNull(data);
        DivisibleRows read = DivisibleRows.Read(rows, labelColumnName, groupColumnName, imageColumnName);
        int[] fold = read.Folds(folds, seed);
        return [.. Enumerable.Range(0, folds).Select(f => Parts(rows, fold.Length, row => fold[row] == f))];
    }

    private static TrainTestData Parts(IDataView rows, int count, Func<int, bool> isTest)
    {
        bool[] test = [.. Enumerable.Range(0, count).Select(isTest)];
        // ML.NET's own type can only be made by itself.
        object parts = Activator.CreateInstance(
            typeof(TrainTestData),
            System.Reflection.BindingFlags.Instance | System.Reflection.BindingFlags.NonPublic,
            null,
            [new RowSubset(rows, Array.ConvertAll(test, t => !t)), new RowSubset(rows, test)],
            null
        )!;
        return (TrainTestData)parts;
    }

    private static IDataView Load(DataOperationsCatalog data, string source, Action<RejectedItem>? onRejected)
    {
        Dataset read = Read(source, onRejected);
        return Without(
            data,
            read,
            data.LoadFromEnumerable(
                read.Items.Select(
                    (item, i) =>
                        new FileRow
                        {
                            ImagePath = ((FileLocation)item.Location).Path,
                            Label = read.ClassNames[item.Label],
                            Group = item.Group ?? "",
                            Split = SplitOf(read, i),
                        }
                )
            )
        );
    }

    private static Dataset Read(string source, Action<RejectedItem>? onRejected)
    {
        Dataset read = DatasetReader.Read(source);
        if (onRejected is null && read.Rejected.Count > 0)
            throw new TransferException(
                $"{read.Rejected[0].File} in '{source}' cannot be used: "
                    + $"{read.Rejected[0].Reason}."
                    + $"{(read.Rejected.Count > 1 ? $" So it is with {read.Rejected.Count - 1} more." : "")}"
                    + $" Remove it, or pass onRejected to go on without it."
            );
        foreach (RejectedItem file in read.Rejected)
            onRejected!(file);
        return read;
    }

    /// <summary>Columns that say nothing are not there.</summary>
    private static IDataView Without(DataOperationsCatalog data, Dataset read, IDataView rows)
    {
        string[] empty =
        [
            .. read.Items.All(i => i.Group is null) && rows.Schema.GetColumnOrNull("Group") is not null
                ? ["Group"]
                : (string[])[],
            .. read.Splits is null ? ["Split"] : (string[])[],
        ];
        return empty.Length == 0 ? rows : new MLContext().Transforms.DropColumns(empty).Fit(rows).Transform(rows);
    }

    private static string SplitOf(Dataset read, int row) =>
        read.Splits?[row] switch
        {
            SplitPart.Train => "train",
            SplitPart.Validation => "val",
            SplitPart.Test => "test",
            _ => "",
        };

    private sealed class FileRow
    {
        public string ImagePath { get; set; } = "";

        public string Label { get; set; } = "";

        public string Group { get; set; } = "";

        public string Split { get; set; } = "";
    }

    private sealed class ZipRow(DataItem item)
    {
        public string ImagePath { get; set; } = "";

        public string Label { get; set; } = "";

        public string Split { get; set; } = "";

        /// <summary>Inflated when it is read.</summary>
        public byte[] Image
        {
            get
            {
                using var reader = new ItemReader();
                try
                {
                    return reader.Read(item).ToArray();
                }
                catch (ImageRejectedException)
                {
                    // Said where the image is used, with its row.
                    return [];
                }
            }
        }
    }
}
