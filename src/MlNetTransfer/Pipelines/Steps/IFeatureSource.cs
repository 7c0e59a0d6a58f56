using MlNetTransfer.Backbones;
using MlNetTransfer.Graphs;
using MlNetTransfer.Imaging;

namespace MlNetTransfer.Pipelines;

/// <summary>A step whose features can be computed by one ONNX graph from a preprocessed image: what a saved model begins with.</summary>
internal interface IFeatureSource
{
    /// <summary>The column of features.</summary>
    string FeatureColumn { get; }

    /// <summary>The column it is computed from.</summary>
    string InputColumn { get; }

    /// <summary>What turns an image into the graph's input; null where that is left to the steps before.</summary>
    Preprocessing? Preprocessing { get; }

    /// <summary>Id of the backbone.</summary>
    string Backbone { get; }

    /// <summary>The backbone's card; null for a graph that has none.</summary>
    BackboneCard? Card { get; }

    /// <summary>SHA-256 of the backbone's card, or of its file where it has none; hexadecimal.</summary>
    string CardDigest { get; }

    /// <summary>The taps, side by side.</summary>
    IReadOnlyList<string> Taps { get; }

    /// <summary>All that a feature depends on besides the image; see <see cref="Features.FeatureSpace.Key"/> [32].</summary>
    /// <param name="preprocessing">What turns an image into the graph's input.</param>
    byte[] SpaceKey(Preprocessing preprocessing);

    /// <summary>The graph from image to the features of some of the taps.</summary>
    OnnxModel Graph(Range taps);
}
