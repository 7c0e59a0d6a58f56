using Microsoft.ML;
using Microsoft.ML.Data;

namespace MlNetTransfer.MLNet.Tests;

/// <summary>Rows of a data view to tensors and labels.</summary>
[TestClass]
public sealed class LabelledPixelsTests
{
    [TestMethod]
    public void Next_KeysOfDifferentTypes_CountFromZero()
    {
        // LoadFromEnumerable takes keys that count from 0 and stores them counting from 1.
        CollectionAssert.AreEqual(new[] { 0, 2, 1 }, Labels<byte>(0, 2, 1));
        CollectionAssert.AreEqual(new[] { 0, 2, 1 }, Labels<uint>(0, 2, 1));
        CollectionAssert.AreEqual(new[] { 0, 2, 1 }, Labels<ulong>(0, 2, 1));
    }

    [TestMethod]
    public void Next_KeysOf16Bits_CountFromZero()
    {
        // LoadFromEnumerable cannot make these; the conversion of a key keeps its number.
        SchemaDefinition schema = SchemaDefinition.Create(typeof(Keyed<uint>));
        schema[nameof(Keyed<>.Features)].ColumnType = new VectorDataViewType(NumberDataViewType.Single, 2);
        schema[nameof(Keyed<>.Class)].ColumnType = new KeyDataViewType(typeof(uint), 3);
        IDataView wide = Trained.Context.Data.LoadFromEnumerable(((uint[])[0, 2, 1]).Select(k => new Keyed<uint> { Features = [1, 2], Class = k }), schema);
        IDataView rows = Trained.Context.Transforms.Conversion.ConvertType("Class", outputKind: DataKind.UInt16).Fit(wide).Transform(wide);
        Assert.AreEqual(new KeyDataViewType(typeof(ushort), 3), rows.Schema["Class"].Type);
        CollectionAssert.AreEqual(new[] { 0, 2, 1 }, Labels(rows));
    }

    [TestMethod]
    public void Next_SparseVector_IsFilledWithZeros()
    {
        SchemaDefinition schema = SchemaDefinition.Create(typeof(Sparse));
        schema[nameof(Sparse.Features)].ColumnType = new VectorDataViewType(NumberDataViewType.Single, 5);
        schema[nameof(Sparse.Class)].ColumnType = new KeyDataViewType(typeof(uint), 2);
        IDataView rows = Trained.Context.Data.LoadFromEnumerable([new Sparse { Features = new VBuffer<float>(5, 2, [7, 9], [1, 4]), Class = 0 }], schema);
        using var pixels = new LabelledPixels(rows, rows.Schema[nameof(Sparse.Features)], rows.Schema[nameof(Sparse.Class)]);
        float[] tensor = [1, 1, 1, 1, 1];
        Assert.IsTrue(pixels.Next(tensor, out _));
        CollectionAssert.AreEqual(new float[] { 0, 7, 0, 0, 9 }, tensor);
        Assert.IsFalse(pixels.Next(tensor, out _));
    }

    private static int[] Labels<T>(params T[] keys)
        where T : struct
    {
        SchemaDefinition schema = SchemaDefinition.Create(typeof(Keyed<T>));
        schema[nameof(Keyed<>.Features)].ColumnType = new VectorDataViewType(NumberDataViewType.Single, 2);
        schema[nameof(Keyed<>.Class)].ColumnType = new KeyDataViewType(typeof(T), 3);
        return Labels(Trained.Context.Data.LoadFromEnumerable(keys.Select(k => new Keyed<T> { Features = [1, 2], Class = k }), schema));
    }

    private static int[] Labels(IDataView rows)
    {
        using var pixels = new LabelledPixels(rows, rows.Schema["Features"], rows.Schema["Class"]);
        var found = new List<int>();
        while (pixels.Next(new float[2], out int label)) found.Add(label);
        return [.. found];
    }

    private sealed class Keyed<T>
        where T : struct
    {
        public float[] Features { get; set; } = [];

        public T Class { get; set; }
    }

    private sealed class Sparse
    {
        public VBuffer<float> Features { get; set; }

        public uint Class { get; set; }
    }
}
