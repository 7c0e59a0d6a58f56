namespace MlNetTransfer.Heads;

/// <summary>The head that was chosen, and on what grounds.</summary>
/// <param name="Name">Name of the candidate.</param>
/// <param name="Head">It, fitted on all training rows and calibrated.</param>
/// <param name="Temperature">What its logits were divided by to calibrate it.</param>
/// <param name="Trials">What was found for each candidate, simplest first; empty where there were too few rows to
/// compare.</param>
/// <param name="Rows">Rows that the candidates were compared on.</param>
public sealed record HeadSelection(
    string Name,
    IHead Head,
    double Temperature,
    IReadOnlyList<HeadTrial> Trials,
    int Rows
);
