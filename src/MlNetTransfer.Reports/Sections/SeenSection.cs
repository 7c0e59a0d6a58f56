using MlNetTransfer.Imaging.Augmentation;
using MlNetTransfer.Reports.Page;

namespace MlNetTransfer.Reports.Sections;

/// <summary>A few images beside what the training of the network made of them.</summary>
internal static class SeenSection
{
    /// <summary>Nothing where there are no pictures.</summary>
    public static Html Of(AugmentationPreview seen)
    {
        if (seen.Rows.Count == 0)
            return Html.Empty;
        bool strong = seen.Preset == AugmentationPreset.Strong;
        string weaker = strong ? "take --augment light or none" : "take --augment none",
            mixed = strong ? " Where two images were mixed with each other besides, that is not shown." : "";
        return PageFrame.Section(
            "seen",
            "As training saw them",
            Html.Of(
                $"""
                <p>Training varies the images at random (--augment {(strong ? "strong" : "light")}), in other ways
                from epoch to epoch. The first picture of a row, with a frame, is the image as it is; the others are
                what the first epochs made of it. If a class can no longer be told apart here, {weaker}.{mixed}</p>
                <ul class="shots rows">{seen.Rows.Select(row =>
                    Row(row.Image.Truth, row.Image.File, row.Pictures)
                )}</ul>

                """
            )
        );
    }

    private static Html Row(string truth, string file, IReadOnlyList<string> pictures)
    {
        string name = Pictures.Short(truth);
        Html images = Html.Join(
            pictures.Select((uri, i) => Picture(uri, i == 0 ? $"{name} as it is" : $"{name}, variation {i}"))
        );
        return Html.Of(
            $"<li class=\"shot\"><b>{name}</b><span class=\"file\" tabindex=\"0\">{file}</span><div "
                + $"class=\"strip\">{images}</div></li>\n"
        );
    }

    private static Html Picture(string uri, string words) =>
        Html.Of($"<img src=\"{uri}\" width=\"96\" height=\"96\" decoding=\"async\" alt=\"{words}\">");
}
