using MlNetTransfer.Imaging;

namespace MlNetTransfer.Reports;

/// <summary>How a page is made. Immutable; an invalid instance cannot be made.</summary>
public sealed record HtmlReportOptions
{
    /// <summary>Most thumbnails, in [0, 2000]; the most instructive images come first. Default 600.</summary>
    public int MaxThumbnails
    {
        get;
        init => field = Check.InRange(value, 0, 2000);
    } = 600;

    /// <summary>Most bytes of all thumbnails together as the page has them, in [0, 10⁸]. Default 3,000,000.</summary>
    public int MaxThumbnailBytes
    {
        get;
        init => field = Check.InRange(value, 0, 100_000_000);
    } = 3_000_000;

    /// <summary>Mistakes in the gallery, in [0, 200]. Default 24.</summary>
    public int Mistakes
    {
        get;
        init => field = Check.InRange(value, 0, 200);
    } = 24;

    /// <summary>
    /// Most seconds, once the model is open, to show where it looked in the mistakes of the gallery, in [0, 3600]; 0
    /// for not at all. Default 5.
    /// </summary>
    public double MaxExplainSeconds
    {
        get;
        init => field = Check.InRange(value, 0, 3600);
    } = 5;

    /// <summary>Most seconds for thumbnails, in [0, 3600]. Default 10.</summary>
    public double MaxSeconds
    {
        get;
        init => field = Check.InRange(value, 0, 3600);
    } = 10;

    /// <summary>What an image may cost. Default: the run's.</summary>
    public ImageLimits? Limits { get; init; }

    /// <summary>Measures the time. Default the system's clock.</summary>
    public TimeProvider Clock { get; init; } = TimeProvider.System;
}
