using Microsoft.ML;

namespace MlNetTransfer;

/// <summary>The image loader's place in ML.NET's catalogs.</summary>
public static class TransferPixelsCatalog
{
    /// <summary>Decodes images and preprocesses them exactly as a backbone wants it: bit for bit what this library itself feeds it.</summary>
    /// <param name="transforms"><c>mlContext.Transforms</c>.</param>
    /// <param name="outputColumnName">Column for the images, vector of float32 [3, Size, Size].</param>
    /// <param name="inputColumnName">Column with the paths of image files (text) or with their bytes (vector of bytes, as LoadRawImageBytes gives).</param>
    /// <param name="backbone">Id of the backbone's card.</param>
    /// <param name="imageFolder">Folder that relative paths are in; null for the current one.</param>
    /// <exception cref="TransferException">There is no such backbone.</exception>
    public static TransferPixelsEstimator LoadTransferPixels(this TransformsCatalog transforms, string outputColumnName, string inputColumnName, string backbone = "mobilenet_v2_140", string? imageFolder = null) =>
        new(transforms, outputColumnName, inputColumnName, backbone, imageFolder);
}
