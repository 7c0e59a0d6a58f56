using MlNetTransfer.Onnx.Training;

namespace MlNetTransfer.Training;

/// <summary>Refuses a training step that the machine's memory cannot hold, before it is run.</summary>
internal static class TrainingMemory
{
    /// <param name="step">The training graph of one batch.</param>
    /// <param name="available">Bytes there are; null for those of the machine, or the container.</param>
    /// <exception cref="TransferException">The step would need more than there is; the message says how much, and what
    /// helps.</exception>
    public static void Check(TrainingGraph step, long? available = null)
    {
        long needed = MemoryEstimate.Of(step).Total,
            there = available ?? GC.GetGCMemoryInfo().TotalAvailableMemoryBytes;
        if (needed <= there)
            return;
        throw new TransferException(
            string.Create(
                System.Globalization.CultureInfo.InvariantCulture,
                $"A training step of {step.BatchSize} images would take about {needed / 1e9:f1} GB; there are "
                    + $"{there / 1e9:f1} GB. Work on fewer images at a time (--micro-batch "
                    + $"{Math.Max(1, step.BatchSize / 4)} gives the same steps), take a smaller --batch, or "
                    + $"freeze more blocks (--freeze)."
            )
        );
    }
}
