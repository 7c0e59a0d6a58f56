using MlNetTransfer.Numerics;

namespace MlNetTransfer.Heads;

/// <summary>
/// Consecutive rows of one fold that one thread works through, with its own room for partial sums; so the sums do not
/// depend on the threads.
/// </summary>
/// <param name="Start">First row of the design.</param>
/// <param name="Rows">Rows, a multiple of 4.</param>
/// <param name="Fold">The fold they are held out in; <see cref="SoftmaxDesign.NoFold"/> where never.</param>
/// <param name="Weight">Sum of the rows' weights.</param>
/// <param name="Buffer">Logits and residuals of one block [classes × block].</param>
internal sealed record RowChunk(int Start, int Rows, int Fold, double Weight, AlignedFloats Buffer);
