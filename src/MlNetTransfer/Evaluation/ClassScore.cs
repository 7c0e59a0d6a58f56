namespace MlNetTransfer.Evaluation;

/// <summary>How well one class is told from the others.</summary>
/// <param name="Name">Name of the class.</param>
/// <param name="Precision">Rows of the class among those predicted as it, in [0, 1]; 0 where none was predicted as
/// it.</param>
/// <param name="Recall">Rows predicted as the class among those of it, in [0, 1]; 0 where there is no row of
/// it.</param>
/// <param name="F1">Harmonic mean of precision and recall, 2·TP / (2·TP + FP + FN); 0 where both are 0.</param>
/// <param name="Support">Rows of the class.</param>
public sealed record ClassScore(string Name, double Precision, double Recall, double F1, int Support);
