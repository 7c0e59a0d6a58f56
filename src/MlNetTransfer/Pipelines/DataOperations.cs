using System.Diagnostics.CodeAnalysis;
using MlNetTransfer.Datasets;

namespace MlNetTransfer.Pipelines;

/// <summary>Loads and divides data.</summary>
public sealed class DataOperations
{
    /// <summary>Column of images that <see cref="LoadImages"/> makes.</summary>
    public const string ImageColumn = "Image";

    /// <summary>Column of classes that <see cref="LoadImages"/> makes.</summary>
    public const string LabelColumn = "Label";

    /// <summary>Column of the images' names that <see cref="LoadImages"/> makes.</summary>
    public const string NameColumn = "Name";

    /// <summary>Column of text: rows of one group are never divided. <see cref="LoadImages"/> makes it where the data have groups.</summary>
    public const string GroupColumn = "Group";

    /// <summary>Column of text, Train, Validation or Test: the data's own split. <see cref="LoadImages"/> makes it where the data have one.</summary>
    public const string SplitColumn = "Split";

    private readonly PipelineEnvironment environment;

    internal DataOperations(PipelineEnvironment environment) => this.environment = environment;

    /// <summary>Lists labelled images; none is opened yet.</summary>
    /// <param name="path">A folder with one folder per class (or with train, val and test folders of those), a .csv, .tsv, .jsonl or .ndjson list, or a .zip; see <see cref="DatasetReader"/>.</param>
    /// <returns>Columns Image, Label (a key) and Name; Group and Split where the data have them.</returns>
    /// <exception cref="TransferException">The data cannot be read, or a file of them cannot be an image and nobody asked to be told of such.</exception>
    public IDataView LoadImages(string path)
    {
        ImageDataset data = DatasetReader.Read(Check.NotEmpty(path));
        foreach (RejectedImage rejected in data.Rejected)
        {
            if (environment.Options.OnRejected is not { } told)
                throw new TransferException($"'{rejected.File}' in '{path}' cannot be used: {rejected.Reason}. Remove it, or set {nameof(TransferContextOptions)}.{nameof(TransferContextOptions.OnRejected)} to be told of such files and go on without them.");
            told(rejected);
        }

        List<Column> columns = [new(ImageColumn, ColumnType.Image), new(LabelColumn, ColumnType.Key(data.ClassNames)), new(NameColumn, ColumnType.Text)];
        if (data.Items.Any(i => i.Group is not null)) columns.Add(new Column(GroupColumn, ColumnType.Text));
        if (data.Splits is not null) columns.Add(new Column(SplitColumn, ColumnType.Text));
        return new SourceView<int>(new Schema(columns), Enumerable.Range(0, data.Items.Count), (column, rows) => column.Name switch
        {
            ImageColumn => Array.ConvertAll(rows, i => data.Items[i]),
            LabelColumn => Array.ConvertAll(rows, i => data.Items[i].Label),
            NameColumn => Array.ConvertAll(rows, i => data.Items[i].Name),
            GroupColumn => Array.ConvertAll(rows, i => data.Items[i].Group),
            _ => Array.ConvertAll(rows, i => data.Splits![i].ToString()),
        }, data.Items.Count, environment.Options.BatchRows);
    }

    /// <summary>Rows of a class of yours: its public properties are the columns.</summary>
    /// <typeparam name="T">Properties of type string, byte[] (encoded image), Func&lt;Stream&gt;, <see cref="Imaging.RgbImage"/> (decoded pixels), <see cref="ImageItem"/>, float, double, int, long, or float[] with <see cref="VectorTypeAttribute"/>.</typeparam>
    /// <param name="rows">The rows; enumerated anew for every reading, never further than needed.</param>
    /// <exception cref="SchemaException">A property is of another type.</exception>
    public IDataView LoadFromEnumerable<[DynamicallyAccessedMembers(DynamicallyAccessedMemberTypes.PublicProperties)] T>(IEnumerable<T> rows)
    {
        ArgumentNullException.ThrowIfNull(rows);
        return new SourceView<T>(RowType<T>.Schema(), rows, RowType<T>.Fill, rows.TryGetNonEnumeratedCount(out int count) ? count : null, environment.Options.BatchRows);
    }

    /// <summary>Rows of a view as objects of a class of yours, lazily.</summary>
    /// <typeparam name="T">Every writable property takes the column of its name: string, a text or the name of a class; int, a class's index; float[], a vector; and so on.</typeparam>
    /// <param name="data">The view.</param>
    /// <param name="cancellation">Ends the reading.</param>
    /// <exception cref="SchemaException">A property has no column, or one of another type.</exception>
    public IEnumerable<T> CreateEnumerable<[DynamicallyAccessedMembers(DynamicallyAccessedMemberTypes.PublicProperties | DynamicallyAccessedMemberTypes.PublicParameterlessConstructor)] T>(IDataView data, CancellationToken cancellation = default)
        where T : class, new()
    {
        ArgumentNullException.ThrowIfNull(data);
        IReadOnlyList<(string Column, Action<T, DataBatch, int> Set)> setters = RowType<T>.Setters(data.Schema);
        return Rows();

        IEnumerable<T> Rows()
        {
            foreach (DataBatch batch in data.Read([.. setters.Select(s => s.Column)], cancellation))
            {
                for (int i = 0; i < batch.Rows; i++)
                {
                    var row = new T();
                    foreach ((_, Action<T, DataBatch, int> set) in setters) set(row, batch, i);
                    yield return row;
                }
            }
        }
    }

    /// <summary>Divides data into rows to learn from and rows to judge by: by the data's own split where they have one, else by a stratified draw with the context's seed.</summary>
    /// <remarks>Rows of one group, and images that are byte for byte the same, stay on one side. It is the division that the training job makes.</remarks>
    /// <param name="data">The data; only labels, groups and, for duplicates, the bytes of the images are read.</param>
    /// <param name="testFraction">Share of each class to judge by, in [0.01, 0.99]. Default 0.2.</param>
    /// <param name="labelColumnName">The column of classes.</param>
    /// <param name="duplicatesTogether">Whether equal images stay together. Default true.</param>
    /// <param name="cancellation">Ends the reading.</param>
    /// <exception cref="TransferException">The data cannot be divided; the message says why.</exception>
    public TrainTestData TrainTestSplit(IDataView data, double testFraction = 0.2, string labelColumnName = LabelColumn, bool duplicatesTogether = true, CancellationToken cancellation = default)
    {
        ArgumentNullException.ThrowIfNull(data);
        RowPartition rows = RowPartition.Read(environment, data, labelColumnName, duplicatesTogether, cancellation);
        TrainTestRows split =
            rows.Parts is not null ? PremadeSplit.TrainTest(rows.Parts, PremadeSplit.HeldOut(rows.Parts), "The data") :
            rows.Groups is not null ? StratifiedSplit.TrainTest(rows.Labels, rows.Groups, testFraction, environment.Seed, rows.ClassNames) :
            StratifiedSplit.TrainTest(rows.Labels, testFraction, environment.Seed);
        return new TrainTestData(rows.Part(data, split.Train), rows.Part(data, split.Test));
    }

    /// <summary>A view that keeps in memory what was read of it.</summary>
    /// <param name="data">The view.</param>
    public IDataView Cache(IDataView data)
    {
        ArgumentNullException.ThrowIfNull(data);
        return new CachedView(data);
    }
}
