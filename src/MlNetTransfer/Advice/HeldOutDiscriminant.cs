using MlNetTransfer.Evaluation;
using MlNetTransfer.Features;
using MlNetTransfer.Heads;

namespace MlNetTransfer.Advice;

/// <summary>What advice judges features by: a discriminant, in a second, on rows that it was not fitted on.</summary>
internal static class HeldOutDiscriminant
{
    /// <summary>Whether each row that a fold holds out is right, in the order of the rows.</summary>
    /// <param name="table">All rows.</param>
    /// <param name="fold">The fold of each row, see <see cref="CrossValidation"/>.</param>
    /// <param name="cancellation">Ends the work.</param>
    public static bool[] Right(FeatureTable table, int[] fold, CancellationToken cancellation)
    {
        OutOfFoldPredictions found = CrossValidation.OutOfFold(
            new LinearDiscriminantTrainer(
                new LinearDiscriminantTrainerOptions { Rule = ShrinkageRule.LeaveOneOut, Workers = 1 }
            ),
            table,
            fold,
            cancellation: cancellation
        );
        return JudgedRows.Right(found.Labels, found.Logits, found.Classes);
    }
}
