using System.Globalization;
using Microsoft.ML;
using Microsoft.ML.Data;

namespace MlNetTransfer;

/// <summary>One pass over the rows of a data view: tensors and labels. Not thread-safe.</summary>
internal sealed class LabelledPixels : IDisposable
{
    private readonly DataViewRowCursor cursor;
    private readonly ValueGetter<VBuffer<float>> pixels;
    private readonly Func<ulong> label;
    private readonly string labelName;
    private readonly string featuresName;
    private VBuffer<float> values;

    /// <param name="input">The rows.</param>
    /// <param name="features">The column with the tensors.</param>
    /// <param name="label">The column with the classes, of key type.</param>
    public LabelledPixels(IDataView input, DataViewSchema.Column features, DataViewSchema.Column label)
    {
        (featuresName, labelName) = (features.Name, label.Name);
        cursor = input.GetRowCursor([features, label]);
        pixels = cursor.GetGetter<VBuffer<float>>(features);
        this.label = KeyGetter(label);
    }

    /// <summary>Reads the next row.</summary>
    /// <param name="tensor">Receives its image.</param>
    /// <param name="index">Receives the index of its class.</param>
    /// <returns>Whether there was one.</returns>
    /// <exception cref="TransferException">The row has no label, or no image of the expected size, or its image cannot be used.</exception>
    public bool Next(Span<float> tensor, out int index)
    {
        try
        {
            return Read(tensor, out index);
        }
        catch (InvalidOperationException e) when (e.InnerException is TransferException cause)
        {
            // ML.NET maps rows on threads of its own and wraps what they throw.
            throw new TransferException(cause.Message, e);
        }
    }

    public void Dispose() => cursor.Dispose();

    private bool Read(Span<float> tensor, out int index)
    {
        index = -1;
        if (!cursor.MoveNext()) return false;
        ulong key = label();
        if (key == 0) throw new TransferException($"Row {Row} has no label: '{labelName}' is missing there. Remove such rows, e.g. with mlContext.Data.FilterRowsByMissingValues, or give them one.");
        pixels(ref values);
        if (values.Length != tensor.Length) throw new TransferException($"Row {Row}: '{featuresName}' has {values.Length} numbers; {tensor.Length} were expected.");
        values.CopyTo(tensor);
        index = checked((int)(key - 1));
        return true;
    }

    private string Row => string.Create(CultureInfo.InvariantCulture, $"{cursor.Position} (counted from 0)");

    /// <summary>Keys are stored 1-based, 0 means missing, in any unsigned type.</summary>
    private Func<ulong> KeyGetter(DataViewSchema.Column column)
    {
        Type raw = column.Type.RawType;
        if (raw == typeof(byte)) return Of<byte>(static v => v);
        if (raw == typeof(ushort)) return Of<ushort>(static v => v);
        if (raw == typeof(uint)) return Of<uint>(static v => v);
        return Of<ulong>(static v => v);

        Func<ulong> Of<T>(Func<T, ulong> widen)
            where T : struct
        {
            ValueGetter<T> getter = cursor.GetGetter<T>(column);
            return () =>
            {
                T value = default;
                getter(ref value);
                return widen(value);
            };
        }
    }
}
