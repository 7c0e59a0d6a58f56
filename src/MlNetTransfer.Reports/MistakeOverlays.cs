using System.Security.Cryptography;
using MlNetTransfer.Datasets;
using MlNetTransfer.Explain;
using MlNetTransfer.Imaging;
using MlNetTransfer.Onnx;
using MlNetTransfer.Reports.Page;
using MlNetTransfer.Reports.Sections;

namespace MlNetTransfer.Reports;

/// <summary>
/// Where the written model sees the class that was wrongly named, for as many mistakes as there is time for.
/// </summary>
internal sealed class MistakeOverlays
{
    private readonly Dictionary<string, string> pictures = new(StringComparer.Ordinal);

    /// <summary>Pictures as data URIs, by file.</summary>
    public IReadOnlyDictionary<string, string> Pictures => pictures;

    /// <summary>What the pictures are, in a paragraph; nothing where there are none.</summary>
    public Html Words { get; private set; }

    /// <summary>Makes them. What cannot be explained is left out: the page is whole without it.</summary>
    public static MistakeOverlays Of(
        FinishedRun run,
        IReadOnlyList<Judged> mistakes,
        HtmlReportOptions options,
        ImageLimits limits,
        CancellationToken cancellation
    )
    {
        var made = new MistakeOverlays { Words = Html.Empty };
        Judged[] wanted = [.. mistakes.Where(m => m.Image.Location is not (null or TextLocation))];
        string model = Path.Combine(run.Folder, "model.onnx");
        if (wanted.Length == 0 || options.MaxExplainSeconds == 0 || !IsOfRun(model, run))
            return made;
        try
        {
            using Explainer explainer = Explainer.Open(model, limits: limits);
            using var reader = new ItemReader(limits);
            using var decoder = new ThumbnailDecoder(ThumbnailShelf.Side, limits);
            long started = options.Clock.GetTimestamp();
            foreach (Judged mistake in wanted)
            {
                cancellation.ThrowIfCancellationRequested();
                if (options.Clock.GetElapsedTime(started).TotalSeconds > options.MaxExplainSeconds)
                    break;
                made.Add(mistake, explainer, reader, decoder, cancellation);
            }

            made.Words = Say(run, explainer.Method, made.pictures.Count, wanted.Length);
        }
        catch (Exception e) when (e is TransferException or GraphException)
        {
            made.pictures.Clear();
        }

        return made;
    }

    private void Add(
        Judged mistake,
        Explainer explainer,
        ItemReader reader,
        ThumbnailDecoder decoder,
        CancellationToken cancellation
    )
    {
        try
        {
            ReadOnlySpan<byte> encoded = reader.Read(new DataItem(mistake.Image.Location!, mistake.Image.File));
            Explanation found = explainer.Explain(encoded, mistake.Predicted, cancellation);
            RgbImage picture = found.Heatmap.Over(decoder.Decode(encoded, cancellation), explainer.Preprocessing);
            pictures[mistake.Image.File] = ThumbnailShelf.DataUri(picture);
        }
        catch (ImageRejectedException)
        {
            // Its thumbnail is missing too, and counted there.
        }
    }

    private static Html Say(FinishedRun run, ExplainMethod method, int count, int wanted)
    {
        if (count == 0)
            return Html.Empty;
        string how = method == ExplainMethod.GradCam
                ? "by Grad-CAM"
                : "by covering parts of the image and asking again",
            folds = run.Document.Protocol.Kind == "crossValidation"
                ? " That model has been trained on these images since; the mistake was another's, which "
                    + "had not seen them."
                : "",
            rest = count < wanted ? $" For time, {wanted - count} are without." : "";
        return Html.Of(
            $"<p>The second picture shows where the written model sees the class that was wrongly "
                + $"named ({how}): from yellow to red the evidence grows. Look whether that is the thing "
                + $"itself, its background, or a mark in a corner.{folds}{rest}</p>"
        );
    }

    /// <summary>Whether the model that lies there is the one that the report is of.</summary>
    private static bool IsOfRun(string model, FinishedRun run)
    {
        try
        {
            using FileStream stream = File.OpenRead(model);
            string found = Convert.ToHexString(SHA256.HashData(stream));
            return found.Equals(run.Document.ModelSha256, StringComparison.OrdinalIgnoreCase);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            return false;
        }
    }
}
