using MlNetTransfer.Reports.Page;

namespace MlNetTransfer.Reports.Sections;

/// <summary>
/// What is taken for what, as a table whose cells open their images; and the mistakes of which the model was
/// surest.
/// </summary>
internal static class ConfusionSection
{
    /// <summary>Shades of the heat map.</summary>
    private const int Shades = 8;

    /// <summary>Boxes that are listed at once; more are in a box of their own.</summary>
    private const int MostListed = 40;

    public static Html Of(FinishedRun run, ImagePlan plan, Pictures pictures, Html leftOut)
    {
        RunDocument d = run.Document;
        Html head = Html.Join(
            plan.Classes.Select(c => Html.Of($"<th scope=\"col\" title=\"{run.Classes[c]}\">{run.Classes[c]}</th>"))
        );
        Html rows = Html.Join(plan.Classes.Select(truth => Row(run, plan, truth)));
        string some =
            plan.Classes.Count < d.PerClass.Count
                ? $"The {plan.Classes.Count} classes with the most mistakes, of {d.PerClass.Count:N0}; "
                    + $"report.json has the whole table. "
                : "";
        IEnumerable<Html> cells = plan
            .Cells.OrderBy(c => c.Key.Truth == c.Key.Predicted)
            .ThenByDescending(c => d.Confusion[c.Key.Truth][c.Key.Predicted])
            .Select(c => Cell(run, c.Key, c.Value, pictures));
        Html boxes = Html.Of($"<div class=\"cells\">{cells}</div>");
        Html listed =
            plan.Cells.Count > MostListed
                ? Html.Of($"<details><summary>All {plan.Cells.Count} of them</summary>{boxes}</details>")
                : boxes;
        return PageFrame.Section(
            "confusion",
            "What is taken for what",
            Html.Of(
                $"""
                <p>{some}A row is what the images are, a column what the model says. Right answers
                stand on the diagonal. A number opens its images.</p>
                <div class="scroll" role="region" aria-label="Confusion table" tabindex="0"><table
                class="matrix"><caption>Confusion table</caption><thead><tr><th scope="col">is
                \ said to be</th>{head}</tr></thead><tbody>
                {rows}</tbody></table></div>
                <div class="unprinted"><h3>Images of each number</h3>
                <p class="soft small">Mistakes first, those of which the model was surest; then
                right answers, those of which it was least sure. {leftOut}</p>
                {listed}</div>

                """
            )
        );
    }

    /// <summary>The mistakes of which the model was surest.</summary>
    public static Html Mistakes(FinishedRun run, ImagePlan plan, Pictures pictures, Html explained)
    {
        int all = run.Document.Confusion.Select((row, c) => row.Sum() - row[c]).Sum();
        if (all == 0)
            return PageFrame.Section("mistakes", "The surest mistakes", Html.Of($"<p>There is none.</p>"));
        return PageFrame.Section(
            "mistakes",
            "The surest mistakes",
            Html.Of(
                $"<p>The {plan.Mistakes.Count} of {Figure.Count(all, "mistake")} of which the model was "
                    + $"surest. The first are often images with a wrong label, or of two things at once.</p>"
                    + $"{explained}{pictures.List(plan.Mistakes, withOverlays: true)}"
            )
        );
    }

    private static Html Row(FinishedRun run, ImagePlan plan, int truth)
    {
        IReadOnlyList<int> counts = run.Document.Confusion[truth];
        int all = counts.Sum();
        Html cells = Html.Join(
            plan.Classes.Select(said =>
            {
                int count = counts[said];
                if (count == 0)
                    return Html.Of($"<td class=\"zero\">0</td>");
                double share = (double)count / all;
                // Few mistakes of one kind matter, and are to be seen beside the many right answers.
                if (truth != said)
                    share = Math.Sqrt(share);
                int shade = Math.Clamp((int)Math.Ceiling(Shades * share), 1, Shades);
                string kind = truth == said ? "hit" : "miss",
                    id = CellIds.Of(truth, said),
                    words =
                        $"{Figure.Count(count, "image")} of {run.Classes[truth]}, said to be {run.Classes[said]}: open";
                return Html.Of(
                    $"<td class=\"{kind} h{shade}\"><a href=\"#{id}\" data-opens=\"{id}\" "
                        + $"aria-label=\"{words}\">{count}</a></td>"
                );
            })
        );
        return Html.Of($"<tr><th scope=\"row\" title=\"{run.Classes[truth]}\">{run.Classes[truth]}</th>{cells}</tr>\n");
    }

    private static Html Cell(
        FinishedRun run,
        (int Truth, int Predicted) cell,
        IReadOnlyList<Judged> shown,
        Pictures pictures
    )
    {
        int count = run.Document.Confusion[cell.Truth][cell.Predicted];
        string what =
            cell.Truth == cell.Predicted
                ? $"{run.Classes[cell.Truth]}, found"
                : $"{run.Classes[cell.Truth]} taken for {run.Classes[cell.Predicted]}";
        string more = count > shown.Count ? $"{shown.Count} of {count} are shown; predictions.csv has all." : "";
        return Html.Of(
            $"<details><summary>{what}: {count}</summary><div id=\"{CellIds.Of(cell.Truth, cell.Predicted)}\">"
                + $"{pictures.List(shown, withOverlays: false)}<p class=\"soft small\">{more}</p></div></details>\n"
        );
    }
}
