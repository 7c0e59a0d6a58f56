namespace MlNetTransfer.Backbones;

/// <summary>The form in which a package carries a backbone.</summary>
public enum BackboneFormat
{
    /// <summary>A TensorFlow.js layers model (Keras).</summary>
    TfjsLayers,

    /// <summary>A TensorFlow.js graph model.</summary>
    TfjsGraph,

    /// <summary>An ONNX file.</summary>
    Onnx,
}
