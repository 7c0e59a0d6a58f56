using System.Collections.Concurrent;
using System.Globalization;
using Microsoft.ML.Data;
using Microsoft.ML.Transforms;
using Microsoft.ML.Transforms.Image;
using MlNetTransfer.Datasets;
using MlNetTransfer.Imaging;

namespace MlNetTransfer;

/// <summary>
/// The first step of a saved chain: from a path, encoded bytes or an MLImage to an MLImage of the size that the
/// backbone takes, resized bit for bit as at training. ML.NET loads it by the name of its contract, in a program that
/// has this assembly; its settings stand in a constant column, since a custom mapping has no state of its own.
/// </summary>
/// <remarks>
/// The names of contracts, columns and settings, and this assembly's name, are part of the file format.
/// </remarks>
internal static class ImageMappings
{
    public const string Source = "mlnet_transfer_source",
        Settings = "mlnet_transfer_settings",
        Image = "mlnet_transfer_image",
        Number = "mlnet_transfer_number";

    private const string Register =
        " (package MlNetTransfer; call mlContext.RegisterMlNetTransfer() before mlContext.Model.Load)";

    public const string FromPath = "MlNetTransfer.ImageOfPath/1" + Register,
        FromBytes = "MlNetTransfer.ImageOfBytes/1" + Register,
        FromImage = "MlNetTransfer.ImageOfImage/1" + Register;

    public const string OneForBytes = "MlNetTransfer.OneForBytes/1" + Register,
        OneForImage = "MlNetTransfer.OneForImage/1" + Register;

    private static readonly ConcurrentDictionary<string, ConcurrentBag<Resizer>> Idle = new(StringComparer.Ordinal);

    /// <summary>What a mapping has to know of the preprocessing; the rest is in the graph.</summary>
    public static string SettingsOf(Preprocessing preprocessing) =>
        string.Create(
            CultureInfo.InvariantCulture,
            $"size={preprocessing.Size} framing={preprocessing.Framing} interpolation={preprocessing.Interpolation}"
                + $"{(preprocessing.Width is { } width ? $" width={width}" : "")}"
                + $"{(preprocessing.CropFraction is { } share ? $" crop={share:r}" : "")}"
        );

    /// <summary>An image of the backbone's size.</summary>
    /// <exception cref="TransferException">The image cannot be used, or the settings cannot be read.</exception>
    public static MLImage Resize(ItemLocation location, string name, ReadOnlyMemory<char> settings)
    {
        string text = settings.ToString();
        ConcurrentBag<Resizer> idle = Idle.GetOrAdd(text, _ => []);
        Resizer resizer = idle.TryTake(out Resizer? spare) ? spare : new Resizer(Parse(text));
        try
        {
            return resizer.Run(new DataItem(location, name));
        }
        catch (ImageRejectedException e)
        {
            throw new TransferException($"The image {name} cannot be used: {e.Reason}. Remove its row.", e);
        }
        finally
        {
            idle.Add(resizer);
        }
    }

    private static Preprocessing Parse(string settings)
    {
        Dictionary<string, string> entries = settings
            .Split(' ')
            .Select(e => e.Split('='))
            .Where(e => e.Length == 2)
            .ToDictionary(e => e[0], e => e[1], StringComparer.Ordinal);
        if (
            entries.TryGetValue("size", out string? size)
            && int.TryParse(size, CultureInfo.InvariantCulture, out int side)
            && entries.TryGetValue("framing", out string? framing)
            && Enum.TryParse(framing, out Framing frame)
            && entries.TryGetValue("interpolation", out string? interpolation)
            && Enum.TryParse(interpolation, out Interpolation filter)
        )
            return new Preprocessing
            {
                Size = side,
                Framing = frame,
                Interpolation = filter,
                Width = entries.TryGetValue("width", out string? width)
                    ? int.Parse(width, CultureInfo.InvariantCulture)
                    : null,
                CropFraction = entries.TryGetValue("crop", out string? share)
                    ? double.Parse(share, CultureInfo.InvariantCulture)
                    : null,
            };
        throw new TransferException(
            $"The model's settings '{settings}' cannot be read; 'size=224 framing=Stretch interpolation=Bilinear' "
                + "or the like was expected. Load it with the version of MlNetTransfer that saved it, or a later one."
        );
    }

    /// <summary>
    /// Buffers of one thread at a time, kept for the next image as long as the program runs: ML.NET tells no mapping
    /// when it ends.
    /// </summary>
#pragma warning disable CA1001 // They end with the program.
    private sealed class Resizer(Preprocessing preprocessing)
#pragma warning restore CA1001
    {
        private readonly ItemReader reader = new();

        // Samples of the resized image are whole numbers of 0 to 255: x / 255 / (1 / 255), rounded.
        private readonly ImagePreprocessor pixels = new(
            preprocessing with
            {
                Mean = new(0, 0, 0),
                Std = new(1 / 255f, 1 / 255f, 1 / 255f),
            }
        );
        private readonly float[] tensor = new float[preprocessing.TensorLength];
        private readonly byte[] rgba = new byte[4 * preprocessing.TensorLength / 3];

        public MLImage Run(DataItem item)
        {
            pixels.Process(reader.Read(item), tensor);
            int count = rgba.Length / 4;
            for (int i = 0; i < count; i++)
            {
                rgba[4 * i] = (byte)(tensor[i] + 0.5f);
                rgba[4 * i + 1] = (byte)(tensor[count + i] + 0.5f);
                rgba[4 * i + 2] = (byte)(tensor[2 * count + i] + 0.5f);
                rgba[4 * i + 3] = 255;
            }

            (int width, int height) = preprocessing.Shape;
            return MLImage.CreateFromPixels(width, height, MLPixelFormat.Rgba32, rgba);
        }
    }

    internal sealed class PathRow
    {
        [ColumnName(Source)]
        public ReadOnlyMemory<char> Path { get; set; }

        [ColumnName(Settings)]
        public ReadOnlyMemory<char> How { get; set; }
    }

    internal sealed class BytesRow
    {
        [ColumnName(Source)]
        public VBuffer<byte> Bytes { get; set; }

        [ColumnName(Settings)]
        public ReadOnlyMemory<char> How { get; set; }
    }

    internal sealed class ImageRow
    {
        [ColumnName(Source), AnyImageType]
        public MLImage? Pixels { get; set; }

        [ColumnName(Settings)]
        public ReadOnlyMemory<char> How { get; set; }
    }

    internal sealed class OnlyBytes
    {
        [ColumnName(Source)]
        public VBuffer<byte> Bytes { get; set; }
    }

    internal sealed class OnlyImage
    {
        [ColumnName(Source), AnyImageType]
        public MLImage? Pixels { get; set; }
    }

    internal sealed class One
    {
        [ColumnName(Number)]
        public float Value { get; set; }
    }

    internal sealed class Resized
    {
        [ColumnName(Image), AnyImageType]
        public MLImage? Pixels { get; set; }

        /// <summary>The image of the row before is done with: each cursor has one row.</summary>
        public void Replace(MLImage image)
        {
            Pixels?.Dispose();
            Pixels = image;
        }
    }

    [CustomMappingFactoryAttribute(FromPath)]
    internal sealed class OfPath : CustomMappingFactory<PathRow, Resized>
    {
        public override Action<PathRow, Resized> GetMapping() => Map;

        public static void Map(PathRow source, Resized target)
        {
            string path = source.Path.ToString();
            target.Replace(Resize(new FileLocation(path), $"'{path}'", source.How));
        }
    }

    [CustomMappingFactoryAttribute(FromBytes)]
    internal sealed class OfBytes : CustomMappingFactory<BytesRow, Resized>
    {
        public override Action<BytesRow, Resized> GetMapping() => Map;

        public static void Map(BytesRow source, Resized target) =>
            target.Replace(
                Resize(
                    new MemoryLocation(source.Bytes.DenseValues().ToArray()),
                    FormattableString.Invariant($"of {source.Bytes.Length} bytes"),
                    source.How
                )
            );
    }

    [CustomMappingFactoryAttribute(FromImage)]
    internal sealed class OfImage : CustomMappingFactory<ImageRow, Resized>
    {
        public override Action<ImageRow, Resized> GetMapping() => Map;

        public static void Map(ImageRow source, Resized target) =>
            target.Replace(
                Resize(
                    new PixelsLocation(
                        ItemColumn.PixelsOf(
                            source.Pixels ?? throw new TransferException("A row has no image. Remove it.")
                        )
                    ),
                    "of a row",
                    source.How
                )
            );
    }

    [CustomMappingFactoryAttribute(OneForBytes)]
    internal sealed class OneOfBytes : CustomMappingFactory<OnlyBytes, One>
    {
        public override Action<OnlyBytes, One> GetMapping() => Map;

        public static void Map(OnlyBytes source, One target) => target.Value = 1;
    }

    [CustomMappingFactoryAttribute(OneForImage)]
    internal sealed class OneOfImage : CustomMappingFactory<OnlyImage, One>
    {
        public override Action<OnlyImage, One> GetMapping() => Map;

        public static void Map(OnlyImage source, One target) => target.Value = 1;
    }
}

/// <summary>An MLImage of any size; ML.NET's own attribute states one.</summary>
[AttributeUsage(AttributeTargets.Property)]
internal sealed class AnyImageTypeAttribute : DataViewTypeAttribute
{
    public override bool Equals(DataViewTypeAttribute? other) => other is AnyImageTypeAttribute;

    public override int GetHashCode() => typeof(AnyImageTypeAttribute).GetHashCode();

    public override void Register() => DataViewTypeManager.Register(new ImageDataViewType(), typeof(MLImage), this);
}
