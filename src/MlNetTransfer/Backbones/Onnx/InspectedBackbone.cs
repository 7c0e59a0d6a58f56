using MlNetTransfer.Imaging;
using MlNetTransfer.Onnx;

namespace MlNetTransfer.Backbones.Onnx;

/// <summary>What the inspection of an ONNX model found, and the model in the form that every backbone has.</summary>
/// <param name="Model">The model with one input <c>image</c>, float32 [N, 3, size, size], a dynamic batch and one
/// output.</param>
/// <param name="Preprocessing">What turns an image into the input.</param>
/// <param name="Taps">Where it can be cut, from the input to the output; at least one.</param>
/// <param name="Classes">Scores that the output has per image; 0 where the model is no classifier.</param>
/// <param name="Labels">Names of the classes as the file's metadata states them [Classes]; empty where it does
/// not.</param>
public sealed record InspectedBackbone(
    OnnxModel Model,
    Preprocessing Preprocessing,
    IReadOnlyList<BackboneTap> Taps,
    int Classes,
    IReadOnlyList<string> Labels
);
