using MlNetTransfer.Datasets;

namespace MlNetTransfer.Jobs;

/// <summary>The images that a command line names: files, and all files below folders.</summary>
internal static class ImageInputs
{
    /// <param name="inputs">Image files and folders.</param>
    /// <returns>The images in the order given, those of a folder by name; and what was passed over in the folders.</returns>
    public static (IReadOnlyList<ImageItem> Items, IReadOnlyList<RejectedImage> Rejected) Of(IEnumerable<string> inputs)
    {
        List<ImageItem> items = [];
        List<RejectedImage> rejected = [];
        foreach (string input in inputs)
        {
            if (!Directory.Exists(input))
            {
                items.Add(new ImageItem(input, input));
                continue;
            }

            (IReadOnlyList<ImageItem> found, IReadOnlyList<RejectedImage> lost) = ImageFolder.ReadUnlabelled(input);
            string prefix = input.Replace('\\', '/').TrimEnd('/') + "/";
            items.AddRange(found.Select(item => item with { Name = prefix + item.Name }));
            rejected.AddRange(lost.Select(r => r with { File = prefix + r.File }));
        }

        return (items, rejected);
    }
}
