using MlNetTransfer.Datasets;
using MlNetTransfer.Jobs;

namespace MlNetTransfer.Studio;

/// <summary>An image without a label, and what a model says of it.</summary>
/// <param name="File">Its name.</param>
/// <param name="Path">The file.</param>
/// <param name="Classes">Names of the model's classes.</param>
/// <param name="Probabilities">One for each.</param>
internal sealed record Unlabelled(
    string File,
    string Path,
    IReadOnlyList<string> Classes,
    ReadOnlyMemory<float> Probabilities
)
{
    /// <summary>How far the likeliest class is before the next, in [0, 1].</summary>
    public float Margin
    {
        get
        {
            (float first, float second) = (0, 0);
            foreach (float p in Probabilities.Span)
                if (p > first)
                    (first, second) = (p, first);
                else if (p > second)
                    second = p;
            return first - second;
        }
    }

    /// <summary>The probability of a class; null where the model does not know it.</summary>
    public double? Of(string name)
    {
        for (int c = 0; c < Classes.Count; c++)
            if (Classes[c] == name)
                return Probabilities.Span[c];
        return null;
    }

    /// <summary>Classes, the likeliest first; those that the model does not know at the end.</summary>
    public string[] Ranked(IReadOnlyList<string> classes) => [.. classes.OrderByDescending(name => Of(name) ?? -1)];

    /// <summary>
    /// Those that are in no data set yet, the least margin first (Scheffer, Decomain and Wrobel, Active Hidden Markov
    /// Models for Information Extraction, 2001).
    /// </summary>
    /// <param name="found">What the model said.</param>
    /// <param name="data">The data set that is open: its images are left out, and those labelled before.</param>
    /// <param name="roots">Where images may be.</param>
    public static Unlabelled[] LeastSureFirst(PredictionSummary found, OpenedData data, StudioRoots roots)
    {
        HashSet<string> known =
        [
            .. data.Set.Items.Select(i => i.Location).OfType<FileLocation>().Select(l => l.Path),
            .. data.Corrections.Added.Keys,
        ];
        return
        [
            .. found
                .Predictions.Select(p => (p, path: roots.Find(System.IO.Path.GetFullPath(p.File))))
                .Where(p => p.path is not null && !known.Contains(p.path))
                .Select(p => new Unlabelled(
                    System.IO.Path.GetFileName(p.p.File),
                    p.path!,
                    found.ClassNames,
                    p.p.Probabilities
                ))
                .OrderBy(u => u.Margin)
                .ThenBy(u => u.Path, StringComparer.Ordinal),
        ];
    }
}
