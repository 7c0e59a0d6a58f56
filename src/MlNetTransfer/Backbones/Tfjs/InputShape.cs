namespace MlNetTransfer.Backbones.Tfjs;

/// <summary>The input of an imported model.</summary>
internal static class InputShape
{
    /// <summary>
    /// Writes the input for a TensorFlow shape [batch, height, width, 3], or [batch, 3, height, width] of a model that
    /// was PyTorch's or ONNX's before.
    /// </summary>
    /// <param name="graph">The graph.</param>
    /// <param name="file">The model's file, for errors.</param>
    /// <param name="name">The input's name in the model.</param>
    /// <param name="shape">Its shape in the model; -1 where it leaves a size open.</param>
    /// <param name="size">Side of the square input in pixels, for sizes left open; a size the model states must
    /// agree.</param>
    /// <param name="free">A size the model states need not agree: only convolutions are imported, and those take
    /// any.</param>
    public static TfValue Write(
        TfGraphWriter graph,
        string file,
        string name,
        IReadOnlyList<long> shape,
        int? size,
        bool free = false
    )
    {
        if (shape is [_, 3, not 3, not 3])
            return graph.Input(name, Side(shape[2]), Side(shape[3]), 3, channelsFirst: true);
        if (shape.Count != 4 || shape[3] != 3)
            throw new TfjsException(
                $"{file}: the input '{name}' has shape [{string.Join(", ", shape)}]; expected RGB images [-1, "
                    + $"height, width, 3] or [-1, 3, height, width]."
            );
        return graph.Input(name, Side(shape[1]), Side(shape[2]), 3, channelsFirst: false);

        long Side(long stated) =>
            stated < 0 ? size ?? throw new TfjsException($"{file}: the input '{name}' leaves its size open; state one.")
            : size is null || size == stated ? stated
            : free ? size.Value
            : throw new TfjsException(
                $"{file}: the input '{name}' is {stated} pixels wide or high; {size} were asked for. Set the size "
                    + $"of the preprocessing to {stated}."
            );
    }
}
