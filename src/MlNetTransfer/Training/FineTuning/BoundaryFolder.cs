using MlNetTransfer.Features;

namespace MlNetTransfer.Training;

/// <summary>The folder with the activations of all runs: the oldest give way to those of the run that begins.</summary>
internal static class BoundaryFolder
{
    /// <summary>
    /// Opens the cache of a feature space; deletes the files that were not used for longest where all together take
    /// more than they may.
    /// </summary>
    public static FeatureCache Open(string folder, FeatureSpace space, int width, long largest)
    {
        string own = Convert.ToHexStringLower(space.Key());
        if (Directory.Exists(folder))
        {
            FileInfo[] files =
            [
                .. new DirectoryInfo(folder).GetFiles("*.features").OrderByDescending(f => f.LastWriteTimeUtc),
            ];
            long sum = files.Where(f => f.Name.StartsWith(own, StringComparison.Ordinal)).Sum(f => f.Length);
            foreach (FileInfo file in files.Where(f => !f.Name.StartsWith(own, StringComparison.Ordinal)))
            {
                sum += file.Length;
                if (sum > largest / 2)
                    TryDelete(file);
            }
        }

        return new FeatureCache(folder, space, width);
    }

    private static void TryDelete(FileInfo file)
    {
        try
        {
            file.Delete();
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            // In use by another run, or not ours to delete: the cache then takes more than it should, and nothing else
            // happens.
        }
    }
}
