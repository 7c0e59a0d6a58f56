namespace MlNetTransfer.Imaging;

/// <summary>The resampling filter; both are antialiased when shrinking and bit-identical to Pillow's.</summary>
public enum Interpolation
{
    /// <summary>Triangle filter, support 1 (Pillow's BILINEAR).</summary>
    Bilinear,

    /// <summary>Cubic filter with a = -0.5, support 2 (Pillow's BICUBIC).</summary>
    Bicubic,
}
