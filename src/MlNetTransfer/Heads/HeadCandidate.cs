namespace MlNetTransfer.Heads;

/// <summary>A kind of head that takes part in the choice.</summary>
/// <param name="Name">Name in tables.</param>
/// <param name="Trainer">Fits it.</param>
/// <param name="FromRows">Training rows from which on it takes part: what is costly or needs many rows stays out of
/// small tasks.</param>
/// <param name="ToRows">Training rows up to which it takes part: what keeps its rows stays out of large tasks.</param>
public sealed record HeadCandidate(string Name, IHeadTrainer Trainer, int FromRows = 0, int ToRows = int.MaxValue);
