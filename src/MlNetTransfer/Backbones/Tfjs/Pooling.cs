namespace MlNetTransfer.Backbones.Tfjs;

/// <summary>Pooling over images.</summary>
internal static class Pooling
{
    /// <summary>Maximum over windows; padding never wins.</summary>
    public static TfValue Max(TfGraphWriter graph, TfValue x, Window h, Window w, string name) =>
        Write("MaxPool", graph, x, h, w, name);

    /// <summary>Mean over windows; padding is left out of the mean, as TensorFlow does.</summary>
    public static TfValue Average(TfGraphWriter graph, TfValue x, Window h, Window w, string name) =>
        Write("AveragePool", graph, x, h, w, name);

    /// <summary>Mean or maximum over height and width: [N, H, W, C] to [N, C].</summary>
    public static TfValue Global(TfGraphWriter graph, TfValue x, bool max, string name)
    {
        TfValue images = graph.Images(x);
        TfValue pooled = graph.Node(
            max ? "GlobalMaxPool" : "GlobalAveragePool",
            images with
            {
                Name = graph.Unique(name + "/pool"),
                Shape = [x.Shape[0], 1, 1, x.Channels],
            },
            [images.Name]
        );
        return graph.Node("Flatten", new TfValue(name, [x.Shape[0], x.Channels], ChannelsFirst: false), [pooled.Name]);
    }

    private static TfValue Write(string op, TfGraphWriter graph, TfValue x, Window h, Window w, string name)
    {
        TfValue images = graph.Images(x);
        TfValue output = images with
        {
            Name = name,
            Shape = [x.Shape[0], h.OutputSize(x.Size.Height), w.OutputSize(x.Size.Width), x.Channels],
        };
        return graph.Node(op, output, [images.Name], Window.Attributes(h, w, dilations: false));
    }
}
