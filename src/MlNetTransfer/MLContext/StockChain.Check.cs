using System.Globalization;
using Microsoft.ML;
using Microsoft.ML.Data;
using MlNetTransfer.Datasets;
using MlNetTransfer.Imaging;

namespace MlNetTransfer;

/// <content>The comparison that every chain passes before it is written.</content>
internal sealed partial class StockChain
{
    /// <summary>Compares with what a transformer gives for the images that it was fitted on.</summary>
    /// <exception cref="TransferException">They differ: the model is not written.</exception>
    public void Check(ItemRowTransformer expected)
    {
        Check(expected, (_, rows, _) => rows);
    }

    /// <summary>Compares on the kept images, or on a generated one where the data had none.</summary>
    /// <param name="expected">What the chain was made of.</param>
    /// <param name="stockRows">The same images in the form that the chain takes.</param>
    private void Check(
        ItemRowTransformer expected,
        Func<MLContext, IDataView, IReadOnlyList<DataItem>, IDataView> stockRows
    )
    {
        MLContext context = NewContext();
        string? temporary = null;
        IReadOnlyList<DataItem> sample =
            expected.Sample.Count > 0 ? expected.Sample : [Generated(expected.Images.Kind, out temporary)];
        try
        {
            IDataView rows = Rows(context, expected.Images, sample);
            Compare(expected, rows, stockRows(context, rows, sample), sample.Count);
        }
        finally
        {
            if (temporary is not null)
                File.Delete(temporary);
        }
    }

    private void Compare(ItemRowTransformer expected, IDataView rows, IDataView stockRows, int count)
    {
        int width = expected.Outputs[0].Type is VectorDataViewType vector ? vector.Size : 1;
        float[] own = Read(expected.Transform(rows), expected.Outputs[0], width),
            stock = Read(Model.Transform(stockRows), expected.Outputs[0], width);
        double difference = 0;
        for (int row = 0; row < count; row++)
        {
            ReadOnlySpan<float> a = own.AsSpan(row * width, width),
                b = stock.AsSpan(row * width, width);
            double scale = Math.Max(1, Math.Abs(System.Numerics.Tensors.TensorPrimitives.MaxMagnitude(a)));
            for (int i = 0; i < width; i++)
                difference = Math.Max(difference, Math.Abs(a[i] - b[i]) / scale);
        }

        if (difference <= Tolerance)
        {
            (expected as ClassifierRows)?.Said?.Check(expected.Transform(rows), Model.Transform(stockRows));
            return;
        }

        throw new TransferException(
            $"The model was not saved: on {count} images ML.NET's form of it differs by up to {Number(difference)}, "
                + $"where at most "
                + $"{Number(Tolerance)} was expected. This is a fault of the export: report it with the backbone "
                + $"and the version of Microsoft.ML."
        );
    }

    /// <summary>Compares on the same images, decoded and resized as at training.</summary>
    /// <exception cref="TransferException">They differ: the model is not written.</exception>
    public void CheckDecoded(ClassifierRows expected, string column)
    {
        ReadOnlyMemory<char> settings = ImageMappings.SettingsOf(expected.Preprocessing).AsMemory();
        SchemaDefinition schema = SchemaDefinition.Create(typeof(ImageOnly));
        schema["Value"].ColumnName = column;
        Check(
            expected,
            (context, _, sample) =>
                context.Data.LoadFromEnumerable(
                    sample.Select(i => new ImageOnly { Value = ImageMappings.Resize(i.Location, i.Name, settings) }),
                    schema
                )
        );
    }

    private static string Number(double value) => value.ToString("g3", CultureInfo.InvariantCulture);

    private static float[] Read(IDataView rows, RowOutput output, int width) =>
        width > 1 || output.Type is VectorDataViewType
            ? [.. rows.GetColumn<VBuffer<float>>(output.Name).SelectMany(v => v.DenseValues().ToArray())]
            : [.. rows.GetColumn<float>(output.Name)];

    /// <summary>Rows of images in the form that the column has.</summary>
    private static IDataView Rows(MLContext context, ItemColumn images, IReadOnlyList<DataItem> items)
    {
        return images.Kind switch
        {
            ItemColumnKind.Path => context.Data.LoadFromEnumerable(
                items.Select(i => new PathOnly { Value = ((FileLocation)i.Location).Path }),
                Named<PathOnly>()
            ),
            ItemColumnKind.Bytes => context.Data.LoadFromEnumerable(
                items.Select(i => new BytesOnly { Value = ((MemoryLocation)i.Location).Bytes.ToArray() }),
                Named<BytesOnly>()
            ),
            _ => context.Data.LoadFromEnumerable(
                items.Select(i => new ImageOnly { Value = Decoded(((PixelsLocation)i.Location).Image) }),
                Named<ImageOnly>()
            ),
        };

        SchemaDefinition Named<T>()
        {
            SchemaDefinition schema = SchemaDefinition.Create(typeof(T));
            schema["Value"].ColumnName = images.Name;
            return schema;
        }
    }

    /// <summary>RGB as the MLImage that stock transformers take.</summary>
    internal static MLImage Decoded(RgbImage image)
    {
        ReadOnlySpan<byte> rgb = image.Pixels.Span;
        var rgba = new byte[rgb.Length / 3 * 4];
        for (int i = 0, o = 0; i < rgb.Length; i += 3, o += 4)
        {
            rgb.Slice(i, 3).CopyTo(rgba.AsSpan(o));
            rgba[o + 3] = 255;
        }

        return MLImage.CreateFromPixels(image.Width, image.Height, MLPixelFormat.Rgba32, rgba);
    }

    /// <summary>An image to check with where the data had none: a gradient.</summary>
    private static DataItem Generated(ItemColumnKind kind, out string? temporary)
    {
        const int Side = 96;
        temporary = null;
        var rgb = new byte[3 * Side * Side];
        for (int i = 0; i < rgb.Length; i++)
            rgb[i] = (byte)(i * 7 % 251);
        var image = new RgbImage(Side, Side, rgb);
        if (kind == ItemColumnKind.Image)
            return new DataItem(new PixelsLocation(image), "generated");
        byte[] bytes = new ImageFileBuffer().Read(image).ToArray();
        if (kind == ItemColumnKind.Bytes)
            return new DataItem(new MemoryLocation(bytes), "generated");
        temporary = Path.Combine(Path.GetTempPath(), $"mlnet-transfer-{Guid.NewGuid():N}.bmp");
        File.WriteAllBytes(temporary, bytes);
        return new DataItem(temporary, "generated");
    }

    private sealed class PathOnly
    {
        public string Value { get; set; } = "";
    }

    private sealed class BytesOnly
    {
        public byte[] Value { get; set; } = [];
    }

    private sealed class ImageOnly
    {
        [AnyImageType]
        public MLImage? Value { get; set; }
    }
}
