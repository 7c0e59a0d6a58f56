using System.Globalization;
using System.Text.Json;
using MlNetTransfer.Imaging;

namespace MlNetTransfer.Encoders;

/// <summary>Images: decoded, resized and normalised to float32 [3 × Size × Size].</summary>
/// <param name="Preprocessing">How.</param>
public sealed record ImageEncoder(Preprocessing Preprocessing) : ContentEncoder
{
    /// <inheritdoc/>
    public override EncoderKind Kind => EncoderKind.Images;

    /// <inheritdoc/>
    public override object Settings => Preprocessing;

    /// <inheritdoc/>
    public override string Version => DecoderVersion.Text;

    /// <inheritdoc/>
    public override IReadOnlyList<EncodedInput> Inputs =>
        [new(null, ElementType.Number, [3, Preprocessing.Shape.Height, Preprocessing.Shape.Width])];

    /// <inheritdoc/>
    public override string Description =>
        string.Create(
            CultureInfo.InvariantCulture,
            $"{Preprocessing.Shape.Width} x {Preprocessing.Shape.Height} RGB, {Framed}, {Preprocessing.Interpolation}; "
                + $"mean {Values(Preprocessing.Mean)}, standard deviation {Values(Preprocessing.Std)}"
        );

    /// <summary>What is known of the kind; see <see cref="EncoderKind"/>.</summary>
    internal static EncoderKind Describe() =>
        new(
            "Images",
            settings => new ImageEncoder(settings.Deserialize<Preprocessing>() ?? throw new JsonException("null"))
        );

    /// <inheritdoc/>
    public override EncoderWorker CreateWorker(ImageLimits limits) => new Worker(Preprocessing, limits);

    private string Framed =>
        Preprocessing.Framing == Framing.ResizeCrop
            ? string.Create(
                CultureInfo.InvariantCulture,
                $"{Preprocessing.Framing} {Preprocessing.CropFraction ?? Preprocessing.UsualCropFraction:0.###}"
            )
            : Preprocessing.Framing.ToString();

    private static string Values(ChannelValues values) =>
        string.Create(CultureInfo.InvariantCulture, $"({values.Red:g4}, {values.Green:g4}, {values.Blue:g4})");

    private sealed class Worker(Preprocessing preprocessing, ImageLimits limits) : EncoderWorker
    {
        private readonly ImagePreprocessor preprocessor = new(preprocessing, limits);

        public override void Encode(ReadOnlySpan<byte> content, EncodedItem target) =>
            preprocessor.Process(content, target.Tensor<float>(0));

        public override void Dispose()
        {
            preprocessor.Dispose();
            base.Dispose();
        }
    }
}
