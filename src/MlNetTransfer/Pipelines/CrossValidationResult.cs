using MlNetTransfer.Evaluation;

namespace MlNetTransfer.Pipelines;

/// <summary>What a cross-validation found.</summary>
/// <param name="Report">All rows together, each judged by a fit that had not seen it.</param>
/// <param name="Folds">The rows of each fold.</param>
public sealed record CrossValidationResult(ClassificationReport Report, IReadOnlyList<ClassificationReport> Folds);
