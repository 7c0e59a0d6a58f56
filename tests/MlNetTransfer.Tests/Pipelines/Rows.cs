using MlNetTransfer.Imaging;
using MlNetTransfer.Pipelines;

namespace MlNetTransfer.Tests.Pipelines;

public sealed class PathRow
{
    public string? ImagePath { get; init; }

    public string? Label { get; init; }
}

public sealed class BytesRow
{
    public byte[]? Content { get; init; }

    public string? Label { get; init; }
}

public sealed class StreamRow
{
    public Func<Stream>? Content { get; init; }
}

public sealed class PixelsRow
{
    public RgbImage? Image { get; init; }
}

public sealed class VectorRow
{
    [VectorType(3)]
    public float[]? Features { get; init; }

    public string? Label { get; init; }
}

public sealed class FeaturesRow
{
    public float[] Features { get; set; } = [];
}

public sealed class PredictionRow
{
    public string? PredictedLabel { get; set; }

    [ColumnName("PredictedLabel")]
    public int Key { get; set; }

    public float[] Score { get; set; } = [];
}
