using MlNetTransfer.Backbones.Tfjs;
using MlNetTransfer.Graphs;

namespace MlNetTransfer.Backbones;

/// <summary>Makes the ONNX model of a card from its package's files.</summary>
internal static class BackboneImporter
{
    /// <summary>Version of what the importers write; raise it whenever they write something else, so that cached models are made again.</summary>
    public const int Version = 1;

    /// <param name="card">The card.</param>
    /// <param name="files">Absolute paths of its files, in the order of the card.</param>
    public static OnnxModel Import(BackboneCard card, IReadOnlyList<string> files) => card.Format switch
    {
        BackboneFormat.TfjsGraph when card.SourceClasses.Count == 0 => TfjsImporter.Import(files[0], [.. files.Skip(1)], card.Preprocessing.Size, [card.Taps[^1].Tensor]),
        BackboneFormat.TfjsLayers or BackboneFormat.TfjsGraph => TfjsImporter.Import(files[0], [.. files.Skip(1)], card.Preprocessing.Size),
        BackboneFormat.Onnx => Onnx(OnnxModel.Load(files[0]), files[0]),
        _ => throw new InvalidOperationException($"Unknown format {card.Format}."),
    };

    private static OnnxModel Onnx(OnnxModel model, string file) =>
        model.Inputs.Count == 1
            ? model.RenameTensor(model.Inputs[0].Name, Backbone.InputName)
            : throw new TransferException($"{file} has {model.Inputs.Count} inputs ({string.Join(", ", model.Inputs.Select(i => i.Name))}); expected one, the image.");
}
