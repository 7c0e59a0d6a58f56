namespace MlNetTransfer.Backbones;

/// <summary>Gives one preprocessed image after another, each once.</summary>
/// <param name="tensor">Receives the image [3 × Size × Size].</param>
/// <param name="label">Receives the index of its class.</param>
/// <returns>Whether there was one more.</returns>
internal delegate bool NextTensor(Span<float> tensor, out int label);
