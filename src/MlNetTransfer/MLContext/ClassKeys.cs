using System.Globalization;
using Microsoft.ML;
using Microsoft.ML.Data;

namespace MlNetTransfer;

/// <summary>The classes of a label column: its key values, in the order of the keys.</summary>
internal abstract class ClassKeys
{
    /// <summary>Name of the column of <see cref="Rows"/> with the index of each class, a vector of int64 [1].</summary>
    public const string Index = nameof(ClassRow<>.Index);

    /// <summary>Name of the column of <see cref="Rows"/> with the value of each class, of its own type.</summary>
    public const string Value = nameof(ClassRow<>.Value);

    /// <summary>What the classes are called; the index is the label.</summary>
    public required IReadOnlyList<string> Names { get; init; }

    /// <summary>One row per class.</summary>
    public abstract IDataView Rows(MLContext context);

    /// <summary>Rows of the same form for what is false or true.</summary>
    public static IDataView Truths(MLContext context) =>
        context.Data.LoadFromEnumerable(
            new[]
            {
                new ClassRow<bool> { Index = [0], Value = false },
                new ClassRow<bool> { Index = [1], Value = true },
            }
        );

    /// <summary>The key values as an annotation of a predicted label's column.</summary>
    public abstract DataViewSchema.Annotations Annotations();

    /// <summary>Reads the key values of a label column.</summary>
    /// <exception cref="TransferException"> The column has no key values, or values of a type that a class cannot have.
    /// </exception>
    public static ClassKeys Of(DataViewSchema.Column label)
    {
        const string Kind = "KeyValues";
        if (label.Annotations.Schema.GetColumnOrNull(Kind)?.Type is not VectorDataViewType { IsKnownSize: true } values)
            throw new TransferException(
                $"Label column '{label.Name}' is {label.Type} without key values, so nobody knows what its "
                    + "classes are called. Make it with mlContext.Transforms.Conversion.MapValueToKey."
            );
        Type type = values.ItemType.RawType;
        return type == typeof(ReadOnlyMemory<char>) ? Read<ReadOnlyMemory<char>>(label)
            : type == typeof(bool) ? Read<bool>(label)
            : type == typeof(sbyte) ? Read<sbyte>(label)
            : type == typeof(byte) ? Read<byte>(label)
            : type == typeof(short) ? Read<short>(label)
            : type == typeof(ushort) ? Read<ushort>(label)
            : type == typeof(int) ? Read<int>(label)
            : type == typeof(uint) ? Read<uint>(label)
            : type == typeof(long) ? Read<long>(label)
            : type == typeof(ulong) ? Read<ulong>(label)
            : type == typeof(float) ? Read<float>(label)
            : type == typeof(double) ? Read<double>(label)
            : throw new TransferException(
                $"The key values of label column '{label.Name}' are {values.ItemType}; text, numbers or booleans "
                    + "were expected. Convert the labels before MapValueToKey."
            );

        static ClassKeys Read<T>(DataViewSchema.Column label)
        {
            VBuffer<T> values = default;
            label.Annotations.GetValue(Kind, ref values);
            T[] keys = [.. values.DenseValues()];
            return new OfType<T>(keys, ((VectorDataViewType)label.Annotations.Schema[Kind].Type).ItemType)
            {
                Names = [.. keys.Select(k => Convert.ToString(k, CultureInfo.InvariantCulture)!)],
            };
        }
    }

    private sealed class OfType<T>(T[] keys, PrimitiveDataViewType type) : ClassKeys
    {
        public override DataViewSchema.Annotations Annotations()
        {
            var annotations = new DataViewSchema.Annotations.Builder();
            var values = new VBuffer<T>(keys.Length, keys);
            annotations.Add(
                "KeyValues",
                new VectorDataViewType(type, keys.Length),
                (ref VBuffer<T> target) => values.CopyTo(ref target)
            );
            return annotations.ToAnnotations();
        }

        public override IDataView Rows(MLContext context) =>
            context.Data.LoadFromEnumerable(keys.Select((key, i) => new ClassRow<T> { Index = [i], Value = key }));
    }

    private sealed class ClassRow<T>
    {
        [VectorType(1)]
        public long[] Index { get; set; } = [];

        public T? Value { get; set; }
    }
}
