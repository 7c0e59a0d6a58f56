using MlNetTransfer.Datasets;

namespace MlNetTransfer.Jobs;

/// <summary>
/// The images that a command line names: files, all files below folders and in zip archives, and the images that lists
/// name.
/// </summary>
internal static class ImageInputs
{
    /// <param name="inputs">Image files and sources, see <see cref="DatasetReader"/>.</param>
    /// <returns>The images in the order given, those of a source in its order; and what was passed over in the
    /// sources.</returns>
    public static (IReadOnlyList<ImageItem> Items, IReadOnlyList<RejectedImage> Rejected) Of(IEnumerable<string> inputs)
    {
        List<ImageItem> items = [];
        List<RejectedImage> rejected = [];
        foreach (string input in inputs)
        {
            if (!DatasetReader.IsSource(input))
            {
                items.Add(new ImageItem(input, input));
                continue;
            }

            ImageDataset data = DatasetReader.ReadUnlabelled(input);
            // A list's images are called what the list calls them, so that predictions can be joined to it.
            bool named = Directory.Exists(input) || data.Items.Any(item => item.Location is ZipEntryLocation);
            string prefix = named ? input.Replace('\\', '/').TrimEnd('/') + "/" : "";
            items.AddRange(data.Items.Select(item => item with { Name = prefix + item.Name }));
            rejected.AddRange(data.Rejected.Select(r => r with { File = prefix + r.File }));
        }

        return (items, rejected);
    }
}
