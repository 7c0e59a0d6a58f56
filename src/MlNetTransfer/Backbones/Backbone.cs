using MlNetTransfer.Onnx;

namespace MlNetTransfer.Backbones;

/// <summary>
/// A backbone ready for use: an ONNX file with one input <c>image</c> [N, 3, size, size] whose content was checked.
/// Immutable.
/// </summary>
public sealed class Backbone
{
    private readonly OnnxModel? held;

    internal Backbone(BackboneCard card, string path, string digest) => (Card, Path, Digest) = (card, path, digest);

    internal Backbone(BackboneCard card, OnnxModel held, string digest) =>
        (Card, this.held, Digest) = (card, held, digest);

    /// <summary>Name of the input of every backbone.</summary>
    public const string InputName = Tfjs.TfGraphWriter.InputName;

    /// <summary>Its card.</summary>
    public BackboneCard Card { get; }

    /// <summary>
    /// Absolute path of the ONNX file, in the cache; null where the cache cannot be written and the model is held in
    /// memory.
    /// </summary>
    public string? Path { get; }

    /// <summary>
    /// SHA-256 of the ONNX file, 64 lower-case hexadecimal digits: what features computed with it are keyed by.
    /// </summary>
    public string Digest { get; }

    /// <summary>
    /// Reads the whole model. Its output is that of the source task: scores of classes, or the last tap's map where the
    /// source task is no classification.
    /// </summary>
    /// <exception cref="GraphException">The file was removed or damaged since it was opened; open the backbone
    /// again.</exception>
    public OnnxModel LoadModel() => held ?? OnnxModel.Load(Path!);

    /// <summary>Reads the model up to a tap; its output is the tap's feature map [N, Width, Size, Size].</summary>
    /// <param name="tap">Name of the tap; null for the default tap.</param>
    /// <exception cref="TransferException">The card has no such tap.</exception>
    public OnnxModel CutAt(string? tap = null) => LoadModel().CutAt(Card.Tap(tap).Tensor);
}
