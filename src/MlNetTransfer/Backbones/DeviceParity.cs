using MlNetTransfer.Datasets;

namespace MlNetTransfer.Backbones;

/// <summary>
/// Before a device other than the CPU is trusted with a job: it must give the CPU's numbers on some of the job's own
/// images.
/// </summary>
/// <param name="onnx">The graph's bytes.</param>
/// <param name="graph">The graph on the device.</param>
internal sealed class DeviceParity(byte[] onnx, ItemGraph graph)
{
    /// <summary>Images compared.</summary>
    public const int Images = 16;

    /// <summary>
    /// Largest difference, as a share of the largest number in the CPU's row. GPUs multiply with 10 or 11 bits of
    /// mantissa (TF32), which moves pooled features by about 1e-3 of their range; a wrong kernel or driver moves them
    /// by far more than this.
    /// </summary>
    public const double Tolerance = 0.02;

    private bool isChecked = graph.Plan.Provider == ExecutionProvider.Cpu;

    /// <summary>Compares the first images, once.</summary>
    /// <exception cref="TransferException">The device gives other numbers; the message says by how much.</exception>
    public void Check(IReadOnlyList<DataItem> items, CancellationToken cancellation)
    {
        if (isChecked || items.Count == 0)
            return;
        DataItem[] some = [.. items.Take(Images)];
        using var reference = new ItemGraph(onnx, graph.OutputName, graph.Encoder, graph.Limits);
        ItemRows expected = new ItemRunner(reference).Run(some, "Checking the device", null, cancellation),
            found = new ItemRunner(graph).Run(some, "Checking the device", null, cancellation);
        Compare(graph.Plan.Provider, expected, found);
        isChecked = true;
    }

    /// <summary>Throws where the rows differ by more than the tolerance.</summary>
    internal static void Compare(ExecutionProvider provider, ItemRows expected, ItemRows found)
    {
        if (!expected.Accepted.SequenceEqual(found.Accepted))
            throw new TransferException(
                $"{provider} gave usable numbers for {found.Accepted.Length} of the images, the CPU for "
                    + $"{expected.Accepted.Length}. Update the driver, or use the CPU."
            );
        for (int row = 0; row < expected.Accepted.Length; row++)
        {
            double largest = 0,
                difference = 0;
            for (int i = 0; i < expected.Width; i++)
            {
                largest = Math.Max(largest, Math.Abs(expected.Row(row)[i]));
                difference = Math.Max(difference, Math.Abs(expected.Row(row)[i] - found.Row(row)[i]));
            }

            if (difference > Tolerance * largest)
                throw new TransferException(
                    string.Create(
                        System.Globalization.CultureInfo.InvariantCulture,
                        $"{provider} gives other numbers than the CPU: they differ by up to {difference:g3} where "
                            + $"the largest is {largest:g3}; at most {Tolerance:p0} of it was expected. Update the "
                            + $"driver, or use the CPU."
                    )
                );
        }
    }
}
