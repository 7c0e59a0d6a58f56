using System.Text.Json;
using MlNetTransfer.Imaging;

namespace MlNetTransfer.Encoders;

/// <summary>
/// One image in several forms, a tensor of each: for networks side by side that want images of different sizes or
/// framings. Networks that want the same share one tensor of an <see cref="ImageEncoder"/>.
/// </summary>
internal sealed record ImageFormsEncoder : ContentEncoder
{
    private readonly Preprocessing[] forms;

    /// <param name="forms">How each tensor is made, at least two.</param>
    /// <exception cref="ArgumentException">There are fewer than two forms.</exception>
    public ImageFormsEncoder(IReadOnlyList<Preprocessing> forms) =>
        this.forms =
            forms.Count > 1
                ? [.. forms]
                : throw new ArgumentException(
                    $"An image in several forms has at least 2 forms, not {forms.Count}.",
                    nameof(forms)
                );

    /// <summary>How each tensor is made.</summary>
    public IReadOnlyList<Preprocessing> Forms => forms;

    /// <inheritdoc/>
    public override EncoderKind Kind => EncoderKind.ImageForms;

    /// <inheritdoc/>
    public override object Settings => forms;

    /// <inheritdoc/>
    public override string Version => DecoderVersion.Text;

    /// <inheritdoc/>
    public override IReadOnlyList<EncodedInput> Inputs =>
        [
            .. forms.Select(
                (form, i) =>
                    new EncodedInput(InputName(i), ElementType.Number, [3, form.Shape.Height, form.Shape.Width])
            ),
        ];

    /// <inheritdoc/>
    public override string Description => string.Join("; and ", forms.Select(f => new ImageEncoder(f).Description));

    /// <summary>Name of the graph's input of a form: image_1, image_2, …</summary>
    internal static string InputName(int form) => FormattableString.Invariant($"image_{form + 1}");

    /// <summary>What is known of the kind; see <see cref="EncoderKind"/>.</summary>
    internal static EncoderKind Describe() =>
        new(
            "ImageForms",
            settings => new ImageFormsEncoder(
                settings.Deserialize<Preprocessing[]>() ?? throw new JsonException("null")
            )
        );

    /// <inheritdoc/>
    public override EncoderWorker CreateWorker(ImageLimits limits) => new Worker(forms, limits);

    /// <summary>Equal forms in the same order.</summary>
    public bool Equals(ImageFormsEncoder? other) => other is not null && forms.SequenceEqual(other.forms);

    /// <inheritdoc/>
    public override int GetHashCode() => forms.Aggregate(0, HashCode.Combine);

    private sealed class Worker(Preprocessing[] forms, ImageLimits limits) : EncoderWorker
    {
        private readonly ImagePreprocessor[] preprocessors =
        [
            .. forms.Select(form => new ImagePreprocessor(form, limits)),
        ];

        public override void Encode(ReadOnlySpan<byte> content, EncodedItem target)
        {
            for (int i = 0; i < preprocessors.Length; i++)
                preprocessors[i].Process(content, target.Tensor<float>(i));
        }

        public override void Dispose()
        {
            foreach (ImagePreprocessor preprocessor in preprocessors)
                preprocessor.Dispose();
            base.Dispose();
        }
    }
}
