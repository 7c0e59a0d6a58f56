using System.CommandLine;
using MlNetTransfer.Advice;
using MlNetTransfer.Jobs;
using Spectre.Console;

namespace MlNetTransfer.Cli;

/// <summary>distance: how far apart two sets of images are to a backbone.</summary>
internal static class DistanceCommand
{
    public static Command Create(Terminal terminal, CancellationToken cancellation)
    {
        var flags = new Flags<DistanceOptions>(new DistanceOptions { First = "-", Second = "-" });
        Argument first = flags.Argument(
                "first",
                "Images: a folder, a list or a zip; labels are passed over.",
                (o, path) => o with { First = path }
            ),
            second = flags.Argument("second", "Other images.", (o, path) => o with { Second = path });
        Option<bool> json = CommonOptions.Json();
        var command = new Command(
            "distance",
            "Say how far apart two sets of images are: whether what was learnt on one can be expected to hold on the "
                + "other."
        )
        {
            first,
            second,
        };
        foreach (Option option in (Option[])[.. flags.OfFeatures(), json])
            command.Add(option);
        command.SetAction(parsed =>
        {
            DistanceSummary summary = terminal.Run(new DistanceJob(flags.Read(parsed)), cancellation);
            if (parsed.GetValue(json))
                terminal.WriteJson(summary);
            else
                Print(terminal.Output, summary);
            return summary.Rejected.Count > 0 ? ExitCode.SomeRejected : ExitCode.Done;
        });
        return command;
    }

    /// <summary>A distance in words and numbers.</summary>
    public static string Sentence(DomainDistance distance) =>
        Verdict(distance)
        + FormattableString.Invariant($" Proxy A-distance {distance.Distance:0.00} of 2 (95 %: ")
        + FormattableString.Invariant($"{distance.Interval.Low:0.00} to {distance.Interval.High:0.00}); a classifier ")
        + FormattableString.Invariant($"takes {100 * (1 - distance.Error):0} % of {2 * distance.Images} images for ")
        + "the set that they are of, where guessing takes 50 %.";

    private static string Verdict(DomainDistance distance) =>
        distance.Interval.Low >= 1.5
            ? "They are far apart: expect a model of one to do worse on the other, and train on both."
        : distance.Interval.High <= 0.5 ? "They are much alike: a model of one can be expected to hold on the other."
        : distance.Interval.Low == 0 ? "These images do not tell them apart."
        : "They differ: try a model of one on labelled images of the other before relying on it.";

    private static void Print(IAnsiConsole console, DistanceSummary summary)
    {
        console.WriteLine(Sentence(summary.Distance));
        console.WriteLine(
            FormattableString.Invariant($"By features of {summary.Backbone}; {summary.FirstImages} and ")
                + FormattableString.Invariant($"{summary.SecondImages} images, as many of one as of the other ")
                + FormattableString.Invariant($"compared; {summary.Seconds:f1} s.")
        );
        EvaluationTables.Rejected(console, summary.Rejected);
    }
}
