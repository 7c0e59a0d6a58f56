using MlNetTransfer.Evaluation;

namespace MlNetTransfer.Models.Quantization;

/// <summary>What quantisation does to one class.</summary>
/// <param name="Name">Name of the class.</param>
/// <param name="Images">Held-out images of the class.</param>
/// <param name="FloatRecall">Share of them that float32 gets right; 0 without images.</param>
/// <param name="Int8Recall">Share of them that int8 gets right; 0 without images.</param>
/// <param name="Gained">Images that only int8 gets right.</param>
/// <param name="Lost">Images that only float32 gets right.</param>
/// <param name="BeyondBound">Whether more is lost than the bound and the number of images allow.</param>
public sealed record ClassChange(
    string Name,
    int Images,
    double FloatRecall,
    double Int8Recall,
    int Gained,
    int Lost,
    bool BeyondBound
)
{
    /// <summary>Recall of int8 less that of float32.</summary>
    public double Change => new PairedDifference(Gained, Lost, Images).Value;
}
