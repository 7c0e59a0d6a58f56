using MlNetTransfer.Benchmarks.Setup;
using MlNetTransfer.Features;

namespace MlNetTransfer.Benchmarks.Ratios;

/// <summary>The rows that all heads are fitted to: as many features as the default backbone has.</summary>
internal static class FittedRows
{
    public const int Classes = 10;

    public static FeatureTable Table { get; } = new RandomRows(width: 512, Classes).Draw(200);
}
