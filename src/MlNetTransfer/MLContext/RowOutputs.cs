using Microsoft.ML;
using Microsoft.ML.Data;

namespace MlNetTransfer;

/// <summary>A column that is made of the numbers that a graph gives for an image.</summary>
/// <param name="Name">Name of the column.</param>
/// <param name="Type">Its type.</param>
/// <param name="Annotations">Its annotations, e.g. slot names; null for none.</param>
internal abstract record RowOutput(string Name, DataViewType Type, DataViewSchema.Annotations? Annotations)
{
    /// <summary>A getter, of the column's type.</summary>
    /// <param name="row">Gives the numbers of the current row.</param>
    public abstract Delegate Getter(Func<ReadOnlyMemory<float>> row);

    /// <summary>The first numbers as a vector.</summary>
    /// <param name="name">Name of the column.</param>
    /// <param name="slots">What each number is called.</param>
    public static RowOutput Vector(string name, IReadOnlyList<string> slots)
    {
        var annotations = new DataViewSchema.Annotations.Builder();
        var names = new VBuffer<ReadOnlyMemory<char>>(slots.Count, [.. slots.Select(s => s.AsMemory())]);
        annotations.Add(
            "SlotNames",
            new VectorDataViewType(TextDataViewType.Instance, slots.Count),
            (ref VBuffer<ReadOnlyMemory<char>> target) => names.CopyTo(ref target)
        );
        return new VectorOutput(name, slots.Count, annotations.ToAnnotations());
    }

    /// <summary>A number, key or truth value of the row.</summary>
    /// <param name="name">Name of the column.</param>
    /// <param name="type">Its type.</param>
    /// <param name="annotations">Its annotations; null for none.</param>
    /// <param name="value">What it is, given the numbers.</param>
    public static RowOutput Scalar<T>(
        string name,
        DataViewType type,
        DataViewSchema.Annotations? annotations,
        Func<ReadOnlyMemory<float>, T> value
    ) => new ScalarOutput<T>(name, type, annotations, value);

    /// <summary>Texts, as many as there are.</summary>
    /// <param name="name">Name of the column.</param>
    /// <param name="value">What they are, given the numbers.</param>
    public static RowOutput Texts(string name, Func<ReadOnlyMemory<float>, IReadOnlyList<string>> value) =>
        new TextsOutput(name, value);

    private sealed record VectorOutput(string Name, int Width, DataViewSchema.Annotations? Annotations)
        : RowOutput(Name, new VectorDataViewType(NumberDataViewType.Single, Width), Annotations)
    {
        public override Delegate Getter(Func<ReadOnlyMemory<float>> row) =>
            (ValueGetter<VBuffer<float>>)(
                (ref VBuffer<float> value) =>
                {
                    ReadOnlySpan<float> numbers = row().Span[..Width];
                    VBufferEditor<float> editor = VBufferEditor.Create(ref value, numbers.Length);
                    numbers.CopyTo(editor.Values);
                    value = editor.Commit();
                }
            );
    }

    private sealed record TextsOutput(string Name, Func<ReadOnlyMemory<float>, IReadOnlyList<string>> Value)
        : RowOutput(Name, new VectorDataViewType(TextDataViewType.Instance), null)
    {
        public override Delegate Getter(Func<ReadOnlyMemory<float>> row) =>
            (ValueGetter<VBuffer<ReadOnlyMemory<char>>>)(
                (ref VBuffer<ReadOnlyMemory<char>> value) =>
                {
                    IReadOnlyList<string> texts = Value(row());
                    VBufferEditor<ReadOnlyMemory<char>> editor = VBufferEditor.Create(ref value, texts.Count);
                    for (int i = 0; i < texts.Count; i++)
                        editor.Values[i] = texts[i].AsMemory();
                    value = editor.Commit();
                }
            );
    }

    private sealed record ScalarOutput<T>(
        string Name,
        DataViewType Type,
        DataViewSchema.Annotations? Annotations,
        Func<ReadOnlyMemory<float>, T> Value
    ) : RowOutput(Name, Type, Annotations)
    {
        public override Delegate Getter(Func<ReadOnlyMemory<float>> row) =>
            (ValueGetter<T>)((ref T value) => value = Value(row()));
    }
}
