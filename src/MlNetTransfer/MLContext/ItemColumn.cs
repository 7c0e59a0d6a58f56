using System.Globalization;
using Microsoft.ML;
using Microsoft.ML.Data;
using Microsoft.ML.Transforms.Image;
using MlNetTransfer.Datasets;
using MlNetTransfer.Imaging;

namespace MlNetTransfer;

/// <summary>The forms in which a column can hold images.</summary>
internal enum ItemColumnKind
{
    /// <summary>Text: paths of image files.</summary>
    Path,

    /// <summary>Vector of bytes: encoded images, as LoadRawImageBytes gives them.</summary>
    Bytes,

    /// <summary>MLImage: decoded images.</summary>
    Image,

    /// <summary>Text: the texts themselves, for networks of texts.</summary>
    Text,

    /// <summary>Streams of encoded images; see <see cref="ImageStreamTypeAttribute"/>.</summary>
    Stream,
}

/// <summary>A column of images: which it is, and how a row of it is read.</summary>
/// <param name="Name">Name of the column.</param>
/// <param name="Kind">What it holds.</param>
internal sealed record ItemColumn(string Name, ItemColumnKind Kind)
{
    private const string Expected =
        "text (paths of image files), a vector of bytes (encoded images), MLImage or streams";

    /// <summary>Finds the column in data.</summary>
    /// <param name="schema">The data's columns.</param>
    /// <param name="name">The column.</param>
    /// <param name="ofTexts">Whether it is to hold texts, else images.</param>
    /// <exception cref="TransferException">It is missing or holds something else.</exception>
    public static ItemColumn Of(DataViewSchema schema, string name, bool ofTexts = false)
    {
        DataViewSchema.Column column =
            schema.GetColumnOrNull(name) ?? throw Missing(name, schema.Where(c => !c.IsHidden).Select(c => c.Name));
        if (ofTexts)
            return column.Type is TextDataViewType ? OfTexts(name) : throw WrongText(name, $"{column.Type}");
        DataViewType item = column.Type is VectorDataViewType vector ? vector.ItemType : column.Type;
        return new ItemColumn(
            name,
            KindOf(item, column.Type is VectorDataViewType) ?? throw Wrong(name, $"{column.Type}")
        );
    }

    /// <summary>Finds the column before there is data.</summary>
    /// <param name="schema">The columns.</param>
    /// <param name="name">The column.</param>
    /// <param name="ofTexts">Whether it is to hold texts, else images.</param>
    /// <exception cref="TransferException">It is missing or holds something else.</exception>
    public static ItemColumn Of(SchemaShape schema, string name, bool ofTexts = false)
    {
        SchemaShape.Column column = Find(schema, name);
        bool isVector = column.Kind != SchemaShape.Column.VectorKind.Scalar;
        if (ofTexts)
            return !isVector && column.ItemType is TextDataViewType
                ? OfTexts(name)
                : throw WrongText(name, $"{column.Kind} of {column.ItemType}");
        return new ItemColumn(
            name,
            KindOf(column.ItemType, isVector) ?? throw Wrong(name, $"{column.Kind} of {column.ItemType}")
        );
    }

    /// <exception cref="TransferException">There is no such column.</exception>
    public static SchemaShape.Column Find(SchemaShape schema, string name) =>
        schema.FirstOrDefault(c => c.Name == name) is { Name: not null } found
            ? found
            : throw Missing(name, schema.Select(c => c.Name));

    public static TransferException Missing(string name, IEnumerable<string> there) =>
        new(
            $"There is no column '{name}'; the data has {string.Join(", ", there)}. Name the column, or make it "
                + $"earlier in the pipeline."
        );

    /// <summary>Gives the image of the row that a cursor is at, and how it is called in messages.</summary>
    /// <param name="row">The cursor.</param>
    /// <exception cref="TransferException">The data's column is no longer what it was at Fit.</exception>
    public Func<DataItem> Reader(DataViewRow row)
    {
        ItemColumn now = Of(row.Schema, Name, Kind == ItemColumnKind.Text);
        if (now.Kind != Kind)
            throw new TransferException(
                $"Column '{Name}' held {Text(Kind)} at Fit and holds {Text(now.Kind)} now. Give the data the form "
                    + "that the model was made for."
            );
        DataViewSchema.Column column = row.Schema[Name];
        return Kind switch
        {
            ItemColumnKind.Path => Paths(row, row.GetGetter<ReadOnlyMemory<char>>(column)),
            ItemColumnKind.Bytes => Bytes(row, row.GetGetter<VBuffer<byte>>(column)),
            ItemColumnKind.Image => Images(row, row.GetGetter<MLImage>(column)),
            ItemColumnKind.Text => Texts(row, row.GetGetter<ReadOnlyMemory<char>>(column)),
            _ => Streams(row, row.GetGetter<Stream>(column)),
        };
    }

    private static Func<DataItem> Paths(DataViewRow row, ValueGetter<ReadOnlyMemory<char>> getter) =>
        () =>
        {
            ReadOnlyMemory<char> path = default;
            getter(ref path);
            string file = path.ToString();
            return new DataItem(
                new FileLocation(file),
                file.Length > 0 ? file : $"{RowName(row)}, whose path is empty"
            );
        };

    private static Func<DataItem> Texts(DataViewRow row, ValueGetter<ReadOnlyMemory<char>> getter) =>
        () =>
        {
            ReadOnlyMemory<char> text = default;
            getter(ref text);
            return new DataItem(new TextLocation(text.ToString()), RowName(row));
        };

    private static Func<DataItem> Bytes(DataViewRow row, ValueGetter<VBuffer<byte>> getter)
    {
        VBuffer<byte> bytes = default;
        return () =>
        {
            getter(ref bytes);
            return new DataItem(new MemoryLocation(bytes.DenseValues().ToArray()), RowName(row));
        };
    }

    private static Func<DataItem> Images(DataViewRow row, ValueGetter<MLImage> getter) =>
        () =>
        {
            MLImage image = null!;
            getter(ref image);
            return image is null
                ? new DataItem(new MemoryLocation(default), RowName(row))
                : new DataItem(new PixelsLocation(PixelsOf(image)), image.Tag ?? RowName(row));
        };

    /// <summary>Read into memory at once: the cursor owns the row's stream, workers come later.</summary>
    private static Func<DataItem> Streams(DataViewRow row, ValueGetter<Stream> getter) =>
        () =>
        {
            Stream stream = null!;
            getter(ref stream);
            using var bytes = new MemoryStream();
            if (stream is { CanSeek: true })
                stream.Position = 0;
            stream?.CopyTo(bytes);
            return new DataItem(new MemoryLocation(bytes.ToArray()), RowName(row));
        };

    /// <summary>The pixels of a decoded image, on white where it is transparent.</summary>
    public static RgbImage PixelsOf(MLImage image)
    {
        ReadOnlySpan<byte> from = image.Pixels;
        var rgb = new byte[3 * image.Width * image.Height];
        (int red, int blue) = image.PixelFormat == MLPixelFormat.Rgba32 ? (0, 2) : (2, 0);
        for (int i = 0, o = 0; o < rgb.Length; i += 4, o += 3)
        {
            int alpha = from[i + 3];
            rgb[o] = OnWhite(from[i + red], alpha);
            rgb[o + 1] = OnWhite(from[i + 1], alpha);
            rgb[o + 2] = OnWhite(from[i + blue], alpha);
        }

        return new RgbImage(image.Width, image.Height, rgb);
    }

    /// <summary>MLImage holds colours multiplied by their opacity, as Skia decodes them.</summary>
    private static byte OnWhite(int value, int alpha) => (byte)Math.Min(255, value + 255 - alpha);

    private static string RowName(DataViewRow row) =>
        string.Create(CultureInfo.InvariantCulture, $"row {row.Position} (counted from 0)");

    private static ItemColumnKind? KindOf(DataViewType item, bool isVector) =>
        (item, isVector) switch
        {
            (TextDataViewType, false) => ItemColumnKind.Path,
            (NumberDataViewType, true) when item == NumberDataViewType.Byte => ItemColumnKind.Bytes,
            (ImageDataViewType, false) => ItemColumnKind.Image,
            (ImageStreamDataViewType, false) => ItemColumnKind.Stream,
            _ => null,
        };

    private static string Text(ItemColumnKind kind) =>
        kind switch
        {
            ItemColumnKind.Path => "paths",
            ItemColumnKind.Bytes => "encoded images",
            ItemColumnKind.Image => "MLImages",
            ItemColumnKind.Text => "texts",
            _ => "streams",
        };

    private static ItemColumn OfTexts(string name) => new(name, ItemColumnKind.Text);

    private static TransferException WrongText(string name, string found) =>
        new($"Column '{name}' is {found}; text was expected. Name the column with the texts.");

    private static TransferException Wrong(string name, string found) =>
        new($"Column '{name}' is {found}; {Expected} was expected. Name the column with the images.");
}

/// <summary>The type of a column of streams, each an encoded image.</summary>
public sealed class ImageStreamDataViewType() : StructuredDataViewType(typeof(Stream))
{
    /// <inheritdoc/>
    public override bool Equals(DataViewType? other) => other is ImageStreamDataViewType;

    /// <inheritdoc/>
    public override int GetHashCode() => typeof(ImageStreamDataViewType).GetHashCode();
}

/// <summary>
/// Marks a property of type <see cref="Stream"/> in a class of rows as a column of encoded images: <c>[ImageStreamType]
/// public Stream Image { get; set; }</c>. A stream is read from its beginning each time its row is; so give streams
/// that can seek.
/// </summary>
[AttributeUsage(AttributeTargets.Property | AttributeTargets.Field)]
public sealed class ImageStreamTypeAttribute : DataViewTypeAttribute
{
    /// <inheritdoc/>
    public override bool Equals(DataViewTypeAttribute? other) => other is ImageStreamTypeAttribute;

    /// <inheritdoc/>
    public override int GetHashCode() => typeof(ImageStreamTypeAttribute).GetHashCode();

    /// <inheritdoc/>
    public override void Register() =>
        DataViewTypeManager.Register(new ImageStreamDataViewType(), typeof(Stream), this);
}
