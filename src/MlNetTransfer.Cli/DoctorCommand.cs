using System.CommandLine;
using MlNetTransfer.Jobs;
using Spectre.Console;

namespace MlNetTransfer.Cli;

/// <summary>doctor: what this machine has, and what is wrong with its set-up.</summary>
internal static class DoctorCommand
{
    public static Command Create(Terminal terminal, CancellationToken cancellation)
    {
        Option<bool> json = CommonOptions.Json();
        var command = new Command(
            "doctor",
            "Show versions, cores, instruction sets, providers and what is wrong with the set-up."
        )
        {
            json,
        };
        command.SetAction(parsed =>
        {
            DoctorSummary summary = new DoctorJob(new DoctorOptions()).Run(null, cancellation);
            if (parsed.GetValue(json))
                terminal.WriteJson(summary);
            else
                Print(terminal.Output, summary.Findings);
            return summary.Findings.Any(f => f.Verdict == Verdict.Wrong) ? ExitCode.Failed : ExitCode.Done;
        });
        return command;
    }

    private static void Print(IAnsiConsole console, IReadOnlyList<Finding> findings)
    {
        var table = new Table { Border = TableBorder.Simple };
        table.AddColumn("check").AddColumn("").AddColumn("found");
        foreach (Finding finding in findings)
        {
            string found = finding.Fix.Length == 0 ? finding.Found : $"{finding.Found} Fix: {finding.Fix}";
            table.AddRow(
                new Text(finding.Check),
                new Text(
                    finding.Verdict switch
                    {
                        Verdict.Good => "ok",
                        Verdict.Absent => "-",
                        _ => "WRONG",
                    }
                ),
                new Text(found)
            );
        }

        console.Write(table);
    }
}
