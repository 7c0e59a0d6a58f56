using System.Globalization;
using Microsoft.ML;
using Microsoft.ML.Data;
using MlNetTransfer.Features;

namespace MlNetTransfer;

/// <summary>The column of classes: keys for several classes, truth values for two.</summary>
/// <param name="Name">Name of the column.</param>
/// <param name="Names">What the classes are called; the index is the label.</param>
/// <param name="Keys">The keys; null for truth values.</param>
internal sealed record LabelKeyColumn(string Name, IReadOnlyList<string> Names, ClassKeys? Keys)
{
    /// <summary>Finds the column.</summary>
    /// <exception cref="TransferException">It is missing, or of another type.</exception>
    public static LabelKeyColumn Of(DataViewSchema schema, string name, bool binary)
    {
        DataViewSchema.Column column =
            schema.GetColumnOrNull(name)
            ?? throw ItemColumn.Missing(name, schema.Where(c => !c.IsHidden).Select(c => c.Name));
        if (binary)
            return column.Type is BooleanDataViewType
                ? new LabelKeyColumn(name, ["False", "True"], null)
                : throw Wrong(name, $"{column.Type}", binary);
        if (column.Type is not KeyDataViewType)
            throw Wrong(name, $"{column.Type}", binary);
        ClassKeys keys = ClassKeys.Of(column);
        return new LabelKeyColumn(name, keys.Names, keys);
    }

    /// <summary>What can be known before there is data.</summary>
    public static void Check(SchemaShape schema, string name, bool binary)
    {
        SchemaShape.Column column = ItemColumn.Find(schema, name);
        bool right =
            column.Kind == SchemaShape.Column.VectorKind.Scalar
            && (binary ? column.ItemType == BooleanDataViewType.Instance : column.IsKey);
        if (!right)
            throw Wrong(name, $"{column.Kind} of {column.ItemType}", binary);
    }

    /// <summary>Gives the class of the row that a cursor is at, counted from 0.</summary>
    public Func<int> Reader(DataViewRow row)
    {
        DataViewSchema.Column column = row.Schema[Name];
        if (Keys is null)
        {
            ValueGetter<bool> truth = row.GetGetter<bool>(column);
            return () =>
            {
                bool value = false;
                truth(ref value);
                return value ? 1 : 0;
            };
        }

        // Keys are stored counting from 1, 0 means missing, in any unsigned type.
        Type raw = column.Type.RawType;
        return raw == typeof(byte) ? Of<byte>(static v => v)
            : raw == typeof(ushort) ? Of<ushort>(static v => v)
            : raw == typeof(uint) ? Of<uint>(static v => v)
            : Of<ulong>(static v => v);

        Func<int> Of<T>(Func<T, ulong> widen)
            where T : struct
        {
            ValueGetter<T> getter = row.GetGetter<T>(column);
            return () =>
            {
                T value = default;
                getter(ref value);
                ulong key = widen(value);
                if (key > 0)
                    return checked((int)(key - 1));
                string at = row.Position.ToString(CultureInfo.InvariantCulture);
                throw new TransferException(
                    $"Row {at} (counted from 0) has no label: '{Name}' is missing there. Remove such rows, e.g. "
                        + "with mlContext.Data.FilterRowsByMissingValues, or give them one."
                );
            };
        }
    }

    /// <summary>
    /// What a classifier adds to a row, from its probabilities and, behind them, its score of unknown images.
    /// </summary>
    /// <param name="options">What columns are called.</param>
    /// <param name="said">What it says beside its probabilities; null for nothing.</param>
    public IReadOnlyList<RowOutput> Outputs(ImageClassificationOptions options, SaidColumns? said) =>
        Keys is null
            ?
            [
                RowOutput.Scalar(
                    options.ScoreColumnName,
                    NumberDataViewType.Single,
                    null,
                    row => BinaryMapping.LogOdds(row.Span)
                ),
                RowOutput.Scalar(options.ProbabilityColumnName, NumberDataViewType.Single, null, row => row.Span[1]),
                RowOutput.Scalar(
                    options.PredictedLabelColumnName,
                    BooleanDataViewType.Instance,
                    null,
                    row => BinaryMapping.IsYes(row.Span)
                ),
            ]
            :
            [
                RowOutput.Vector(options.ScoreColumnName, Names),
                RowOutput.Scalar(
                    options.PredictedLabelColumnName,
                    new KeyDataViewType(typeof(uint), Names.Count),
                    Keys.Annotations(),
                    row => (uint)Models.ParityRecord.Likeliest(row.Span[..Names.Count]) + 1
                ),
                .. said?.Outputs ?? [],
            ];

    /// <summary>The same by ML.NET's own transformers.</summary>
    public StockOutputs Stock(ImageClassificationOptions options, SaidColumns? said) =>
        Keys is null
            ? StockOutputs.TwoClasses(
                (options.ScoreColumnName, options.ProbabilityColumnName, options.PredictedLabelColumnName)
            )
            : StockOutputs.Classes(options.ScoreColumnName, options.PredictedLabelColumnName, Keys, said);

    private static TransferException Wrong(string name, string found, bool binary) =>
        new(
            binary
                ? $"Label column '{name}' is {found}; bool was expected for two classes. Map the labels, or use "
                    + $"mlContext.MulticlassClassification."
                : $"Label column '{name}' is {found}; a key was expected. Append "
                    + $"mlContext.Transforms.Conversion.MapValueToKey(\"{name}\") before the trainer."
        );
}

/// <summary>Reads features and labels of data into a table.</summary>
internal static class FeatureRows
{
    /// <exception cref="TransferException">A row has no label, or a number that is not finite.</exception>
    public static FeatureTable Read(
        IDataView input,
        string features,
        LabelKeyColumn label,
        CancellationToken cancellation
    )
    {
        using DataViewRowCursor cursor = input.GetRowCursor([input.Schema[features], input.Schema[label.Name]]);
        ValueGetter<VBuffer<float>> getter = cursor.GetGetter<VBuffer<float>>(input.Schema[features]);
        Func<int> key = label.Reader(cursor);
        int width = ((VectorDataViewType)input.Schema[features].Type).Size;
        var values = new List<float>();
        var labels = new List<int>();
        VBuffer<float> row = default;
        var dense = new float[width];
        while (cursor.MoveNext())
        {
            cancellation.ThrowIfCancellationRequested();
            getter(ref row);
            row.CopyTo(dense);
            if (Array.FindIndex(dense, v => !float.IsFinite(v)) is >= 0 and var at)
                throw new TransferException(
                    $"Row {cursor.Position} (counted from 0) has {dense[at]} in column '{features}', number {at}; "
                        + "features must be finite. Remove such rows, or replace missing values before the trainer."
                );
            values.AddRange(dense);
            labels.Add(key());
        }

        return new FeatureTable(label.Names, [.. labels], [.. values], width);
    }
}
