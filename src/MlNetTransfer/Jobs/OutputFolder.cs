using MlNetTransfer.Models;

namespace MlNetTransfer.Jobs;

/// <summary>The folder that a run writes to, looked at before the work begins instead of after an hour of it.</summary>
internal static class OutputFolder
{
    /// <summary>Holds the folder for a run that writes a model: another fails at once, not after its work.</summary>
    /// <exception cref="TransferException">Another run holds it, or what one has left cannot be removed.</exception>
    public static OutputLock Hold(string folder)
    {
        OutputLock held = OutputLock.OfFolder(folder);
        try
        {
            StagedFile.RemoveLeftOver(Path.Combine(folder, "model.onnx"));
            return held;
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            held.Dispose();
            throw new TransferException(
                $"What an earlier run left in '{folder}' cannot be removed: {e.Message} Check the folder's "
                    + $"permissions, or give another --output.",
                e
            );
        }
    }

    /// <summary>What a training has left would stand beside a model that it does not belong to.</summary>
    /// <exception cref="TransferException">The folder holds a training.</exception>
    public static void RequireNoTraining(string folder)
    {
        foreach (string name in (string[])["report.html", "metrics.jsonl", "weights.safetensors"])
            if (File.Exists(Path.Combine(folder, name)))
                throw new TransferException(
                    $"'{folder}' holds a training ('{name}'), which would stand beside another model. Choose another "
                        + "--output."
                );
    }

    /// <summary>
    /// Tries to write a file there and removes it; where the folder is missing, in the nearest folder above it. Makes
    /// no folder.
    /// </summary>
    /// <exception cref="TransferException">It is a file, or nothing can be written there.</exception>
    public static void RequireWritable(string folder)
    {
        string full = Path.GetFullPath(folder);
        string? existing = full;
        while (existing is not null && !Directory.Exists(existing))
        {
            if (File.Exists(existing))
                throw new TransferException(
                    $"'{existing}' is a file, so '{folder}' cannot be a folder for the model. Choose another output "
                        + $"folder."
                );
            existing = Path.GetDirectoryName(existing);
        }

        try
        {
            string probe = Path.Combine(existing ?? full, $".mlnet-transfer-{Guid.NewGuid():N}");
            using FileStream stream = new(
                probe,
                FileMode.CreateNew,
                FileAccess.Write,
                FileShare.None,
                1,
                FileOptions.DeleteOnClose
            );
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            throw new TransferException(
                $"The output folder '{folder}' cannot be written to: {e.Message} Check its permissions, or choose "
                    + $"another folder.",
                e
            );
        }
    }
}
