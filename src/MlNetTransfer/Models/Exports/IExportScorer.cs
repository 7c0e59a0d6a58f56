using MlNetTransfer.Imaging;

namespace MlNetTransfer.Models.Exports;

/// <summary>Scores images with a written file as its user would. Not thread-safe.</summary>
public interface IExportScorer : IDisposable
{
    /// <summary>Scores one image.</summary>
    /// <param name="encoded">The bytes of an image file.</param>
    /// <param name="probabilities">Receives [classes].</param>
    /// <exception cref="ImageRejectedException">The image cannot be decoded.</exception>
    void Score(ReadOnlySpan<byte> encoded, Span<float> probabilities);
}
