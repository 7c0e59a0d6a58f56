using MlNetTransfer.Backbones;
using MlNetTransfer.Datasets;
using MlNetTransfer.Explain;
using MlNetTransfer.Imaging;
using MlNetTransfer.Jobs;
using MlNetTransfer.Models;

namespace MlNetTransfer.Studio;

/// <summary>What a model says of an image that was dropped.</summary>
/// <param name="Top">The likeliest classes.</param>
/// <param name="Picture">The image with what the model looked at, a PNG.</param>
internal sealed record Tried(IReadOnlyList<LabelProbability> Top, byte[] Picture);

/// <summary>The model that is tried, kept from image to image. One image at a time.</summary>
internal sealed class TrialModel : IDisposable
{
    private const int Side = 512,
        Shown = 5;

    private readonly Lock gate = new();
    private string? path;
    private TransferModel? model;
    private Explainer? explainer;

    /// <summary>Asks a model.</summary>
    /// <param name="file">The model.</param>
    /// <param name="image">The image file.</param>
    /// <exception cref="ImageRejectedException">The image cannot be used.</exception>
    /// <exception cref="TransferException">The model cannot be used.</exception>
    public Tried Try(string file, ReadOnlyMemory<byte> image)
    {
        lock (gate)
        {
            Open(file);
            ItemRows rows = model!.Predict([new DataItem(new MemoryLocation(image), "the image")]);
            if (rows.Rejected.Count > 0)
                throw new ImageRejectedException(rows.Rejected[0].Reason);
            float[] probabilities = rows.Row(0).ToArray();
            LabelProbability[] top =
            [
                .. Enumerable
                    .Range(0, probabilities.Length)
                    .OrderByDescending(c => probabilities[c])
                    .Take(Shown)
                    .Select(c => new LabelProbability(model.ClassNames[c], probabilities[c])),
            ];
            Explanation found = explainer!.Explain(image.Span);
            using ThumbnailDecoder decoder = new(Side);
            RgbImage picture = found.Heatmap.Over(decoder.Decode(image.Span), explainer.Preprocessing);
            return new Tried(top, RgbEncoder.Encode(picture, ImageFormat.Png));
        }
    }

    /// <summary>An image file as large as a page shows it, a JPEG; null where it cannot be shown.</summary>
    public static byte[]? Picture(string file)
    {
        using ThumbnailDecoder decoder = new(Side);
        return Thumbnails.Jpeg(file, decoder);
    }

    public void Dispose()
    {
        // Not under a question that is being answered.
        lock (gate)
        {
            explainer?.Dispose();
            model?.Dispose();
            (model, explainer, path) = (null, null, null);
        }
    }

    private void Open(string file)
    {
        string key = $"{file} {File.GetLastWriteTimeUtc(file).Ticks}";
        if (path == key)
            return;
        Dispose();
        model = TransferModel.Load(file);
        explainer = Explainer.Open(file);
        path = key;
    }
}
