using MlNetTransfer.Backbones.Onnx;
using MlNetTransfer.Backbones.Tfjs;
using MlNetTransfer.Onnx;

namespace MlNetTransfer.Backbones;

/// <summary>Makes the ONNX model of a card from its package's files.</summary>
internal static class BackboneImporter
{
    /// <summary>
    /// Version of what the importers write; raise it whenever they write something else, so that cached models are made
    /// again.
    /// </summary>
    public const int Version = 2;

    /// <param name="card">The card.</param>
    /// <param name="files">Absolute paths of its files, in the order of the card.</param>
    public static OnnxModel Import(BackboneCard card, IReadOnlyList<string> files) =>
        card.Format switch
        {
            BackboneFormat.TfjsGraph when card.SourceClasses.Count == 0 => TfjsImporter.Import(
                files[0],
                [.. files.Skip(1)],
                card.Preprocessing.Size,
                [card.Taps[^1].Tensor]
            ),
            BackboneFormat.TfjsLayers or BackboneFormat.TfjsGraph => TfjsImporter.Import(
                files[0],
                [.. files.Skip(1)],
                card.Preprocessing.Size
            ),
            BackboneFormat.Onnx => Onnx(card, files),
            _ => throw new InvalidOperationException($"Unknown format {card.Format}."),
        };

    /// <summary>
    /// Each file is fed by the one before it; as the user's own models do, the whole gets the form that every backbone
    /// has, once.
    /// </summary>
    private static OnnxModel Onnx(BackboneCard card, IReadOnlyList<string> files)
    {
        OnnxModel model = files
            .Skip(1)
            .Aggregate(OnnxModel.Load(files[0]), (front, file) => OnnxModel.Load(file).After(front));
        if (HasForm(model, card.Preprocessing.Size))
            return model;
        return OnnxBackboneInspector
            .Inspect(model, new OnnxInspectionOptions { Mean = card.Preprocessing.Mean, Std = card.Preprocessing.Std })
            .Model;
    }

    private static bool HasForm(OnnxModel model, int size) =>
        model.Inputs is [{ Name: Backbone.InputName } input]
        && TensorShape.From(input)?.Dimensions
            is [{ Size: null }, { Size: 3 }, { Size: var height }, { Size: var width }]
        && height == size
        && width == size;
}
