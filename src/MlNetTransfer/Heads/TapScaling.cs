using MlNetTransfer.Features;

namespace MlNetTransfer.Heads;

/// <summary>Standardises the features of several taps, each tap by itself.</summary>
internal sealed class TapScaling
{
    private const double Damping = 0.1;
    private readonly TapGroups groups;
    private readonly FeatureScaler[] scalers;

    public TapScaling(FeatureTable table, TapGroups groups, ParallelOptions parallel)
    {
        this.groups = groups;
        scalers =
        [
            .. groups.Widths.Select((width, g) => new FeatureScaler(Part(table, Start(g), width), parallel, Damping)),
        ];
    }

    /// <summary>The standardised table.</summary>
    public FeatureTable Apply(FeatureTable table)
    {
        var values = new float[table.Values.Length];
        for (int i = 0; i < table.Rows; i++)
        for (int g = 0; g < scalers.Length; g++)
            scalers[g]
                .Apply(
                    table.Row(i).Slice(Start(g), groups.Widths[g]),
                    values.AsSpan(i * table.Width + Start(g), groups.Widths[g])
                );
        return new FeatureTable(table.ClassNames, table.Labels, values, table.Width);
    }

    /// <summary>Turns weights [classes × width] of standardised features into weights of raw ones.</summary>
    public void FoldInto(float[] weights, float[] bias)
    {
        for (int g = 0; g < scalers.Length; g++)
        {
            int start = Start(g),
                width = groups.Widths[g];
            float[] part =
            [
                .. Enumerable
                    .Range(0, bias.Length)
                    .SelectMany(c => weights.AsSpan(c * groups.Width + start, width).ToArray()),
            ];
            scalers[g].FoldInto(part, bias);
            for (int c = 0; c < bias.Length; c++)
                part.AsSpan(c * width, width).CopyTo(weights.AsSpan(c * groups.Width + start));
        }
    }

    /// <summary>How many of the given features each tap has [taps].</summary>
    public int[] Count(int[] features) =>
        [.. groups.Widths.Select((width, g) => features.Count(i => i >= Start(g) && i < Start(g) + width))];

    private int Start(int group) => groups.Widths.Take(group).Sum();

    private static FeatureTable Part(FeatureTable table, int start, int width)
    {
        var values = new float[table.Rows * width];
        for (int i = 0; i < table.Rows; i++)
            table.Row(i).Slice(start, width).CopyTo(values.AsSpan(i * width));
        return new FeatureTable(table.ClassNames, table.Labels, values, width);
    }
}
