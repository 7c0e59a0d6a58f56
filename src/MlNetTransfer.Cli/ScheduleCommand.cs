using System.CommandLine;
using System.Globalization;
using Cronos;
using MlNetTransfer.Jobs;
using MlNetTransfer.Runs;

namespace MlNetTransfer.Cli;

/// <summary>schedule: a job file at the times of a cron expression, for as long as the command runs.</summary>
internal static class ScheduleCommand
{
    /// <summary>The clock is looked at as often, so that one that is set or a machine that slept is noticed.</summary>
    private static readonly TimeSpan Longest = TimeSpan.FromMinutes(1);

    public static Command Create(Terminal terminal, CancellationToken cancellation)
    {
        var job = new Argument<string>("job") { Description = "The job file." };
        var cron = new Option<CronExpression?>("--cron")
        {
            Description =
                "When: minute, hour, day of the month, month, day of the week, as cron has them; with six fields "
                + "seconds are the first.",
            HelpName = "\"0 2 * * *\"",
            Required = true,
            CustomParser = Expression,
        };
        var output = new Option<string>("--output")
        {
            Description = "Folder that the runs go to, each in one of its own.",
            HelpName = "dir",
            DefaultValueFactory = _ => RunCommand.Runs,
        };
        var zone = new Option<TimeZoneInfo?>("--time-zone")
        {
            Description = "The time zone of the hours. Default: that of the machine.",
            HelpName = "id",
            CustomParser = Zone,
        };
        var times = new Option<int?>("--times")
        {
            Description = "End after so many runs, with the exit code of the last. Default: run until it is ended.",
            HelpName = "n",
        };
        var command = new Command(
            "schedule",
            "Run a job file again and again at set times. A run that fails is reported and does not end the schedule; "
                + "times that pass during a run are left out."
        )
        {
            job,
            cron,
            output,
            zone,
            times,
        };
        command.Validators.Add(result =>
        {
            if (result.GetResult(times) is { Implicit: false } && result.GetValue(times) is < 1)
                result.AddError("--times must be at least 1.");
        });
        command.SetAction(parsed =>
        {
            string file = parsed.GetRequiredValue(job);
            // What is wrong with it is said now and not at two in the morning.
            _ = JobFile.Read(file);
            return Run(
                terminal,
                file,
                parsed.GetRequiredValue(output),
                parsed.GetValue(cron)!,
                parsed.GetValue(zone) ?? TimeZoneInfo.Local,
                parsed.GetValue(times) ?? int.MaxValue,
                new JobServices { Command = TypedCommand.Of(parsed) },
                cancellation
            );
        });
        return command;
    }

    private static int Run(
        Terminal terminal,
        string job,
        string output,
        CronExpression cron,
        TimeZoneInfo zone,
        int times,
        JobServices services,
        CancellationToken cancellation
    )
    {
        int code = ExitCode.Done;
        for (int run = 0; run < times; run++)
        {
            DateTimeOffset now = services.Clock.GetUtcNow();
            if (cron.GetNextOccurrence(now, zone) is not { } next)
                throw new TransferException("--cron names a time that never comes. Give e.g. \"0 2 * * *\".");
            terminal.WriteError(
                string.Create(CultureInfo.InvariantCulture, $"Next run: {next:yyyy-MM-dd HH:mm:ss zzz}")
            );
            if (!Wait(services.Clock, next, cancellation))
                return ExitCode.Cancelled;
            code = Once(terminal, job, Path.Combine(output, RunCommand.Name(job, next)), services, cancellation);
        }

        return code;
    }

    /// <summary>Waits for a time; false where the schedule is ended before.</summary>
    private static bool Wait(TimeProvider clock, DateTimeOffset until, CancellationToken cancellation)
    {
        while (until - clock.GetUtcNow() is { Ticks: > 0 } left)
            if (cancellation.WaitHandle.WaitOne(left < Longest ? left : Longest))
                return false;
        return !cancellation.IsCancellationRequested;
    }

    private static int Once(
        Terminal terminal,
        string job,
        string output,
        JobServices services,
        CancellationToken cancellation
    )
    {
        try
        {
            var options = new RunOptions { Job = job, Output = output };
            return RunCommand.Report(
                terminal,
                terminal.Run(new RunJob(options, services), cancellation),
                withPage: true,
                json: false,
                cancellation
            );
        }
        catch (Exception e) when (e is TransferException or Onnx.GraphException)
        {
            terminal.WriteError($"error: {e.Message}");
            return ExitCode.Failed;
        }
    }

    private static CronExpression? Expression(System.CommandLine.Parsing.ArgumentResult result)
    {
        string text = result.Tokens[^1].Value;
        bool seconds = text.Split(' ', StringSplitOptions.RemoveEmptyEntries).Length == 6;
        if (CronExpression.TryParse(text, seconds ? CronFormat.IncludeSeconds : CronFormat.Standard, out var cron))
            return cron;
        result.AddError($"--cron is '{text}'; expected five fields as cron has them, e.g. \"0 2 * * *\".");
        return null;
    }

    private static TimeZoneInfo? Zone(System.CommandLine.Parsing.ArgumentResult result)
    {
        string id = result.Tokens[^1].Value;
        if (TimeZoneInfo.TryFindSystemTimeZoneById(id, out TimeZoneInfo? zone))
            return zone;
        result.AddError(
            $"--time-zone is '{id}', which this machine does not know; expected e.g. Europe/Berlin or UTC."
        );
        return null;
    }
}
