using System.Text;
using System.Text.Encodings.Web;
using System.Text.Json;
using System.Text.Json.Serialization;
using MlNetTransfer.Jobs;
using Spectre.Console;
using Spectre.Console.Rendering;

namespace MlNetTransfer.Cli;

/// <summary>Where a command writes: results on standard output; progress, notes and errors on standard error.</summary>
/// <param name="output">Standard output.</param>
/// <param name="error">Standard error.</param>
internal sealed class Terminal(TextWriter output, TextWriter error)
{
    private static readonly JsonSerializerOptions Json = new(JsonSerializerDefaults.Web)
    {
        WriteIndented = true,
        Encoder = JavaScriptEncoder.UnsafeRelaxedJsonEscaping,
        Converters = { new JsonStringEnumConverter(JsonNamingPolicy.CamelCase) },
    };

    /// <summary>Tables and text for people, on standard output.</summary>
    public IAnsiConsole Output { get; } = Console(output);

    /// <summary>Progress, on standard error.</summary>
    public IAnsiConsole Error { get; } = Console(error);

    /// <summary>Writes one JSON object on standard output.</summary>
    public void WriteJson<T>(T value) => output.WriteLine(Printable.Json(JsonSerializer.Serialize(value, Json)));

    /// <summary>Writes text on standard output, without control characters.</summary>
    public void WriteText(string text) => output.Write(Printable.Of(text));

    /// <summary>Writes a line on standard error, without control characters.</summary>
    public void WriteError(string line) => error.WriteLine(Printable.Of(line));

    /// <summary>Runs a job with a progress bar per stage.</summary>
    public T Run<T>(IJob<T> job, CancellationToken cancellation)
        where T : class => WithProgress(progress => job.Run(progress, cancellation));

    /// <summary>Runs long work with a progress bar per stage.</summary>
    public T WithProgress<T>(Func<IProgress<JobProgress>, T> work)
    {
        if (!Error.Profile.Capabilities.Interactive || System.Console.IsErrorRedirected)
            return work(new LineProgress(WriteError));
        return Error
            .Progress()
            .AutoClear(false)
            .Columns(
                new TaskDescriptionColumn { Alignment = Justify.Left },
                new ProgressBarColumn(),
                new PercentageColumn(),
                new RemainingTimeColumn(),
                new SpinnerColumn()
            )
            .Start(context =>
            {
                var bars = new BarProgress(context);
                T result = work(bars);
                bars.Complete();
                return result;
            });
    }

    private static IAnsiConsole Console(TextWriter writer)
    {
        IAnsiConsole console = Printable.Filtered(
            AnsiConsole.Create(new AnsiConsoleSettings { Out = new AnsiConsoleOutput(writer) })
        );
        bool redirected = ReferenceEquals(writer, System.Console.Out)
            ? System.Console.IsOutputRedirected
            : !ReferenceEquals(writer, System.Console.Error) || System.Console.IsErrorRedirected;
        if (redirected)
        {
            console.Profile.Width = 160;
            console.Profile.Capabilities.Ansi = false;
            console.Profile.Capabilities.ColorSystem = ColorSystem.NoColors;
        }

        return console;
    }
}

/// <summary>Shows each stage as a progress bar. Thread-safe.</summary>
internal sealed class BarProgress(ProgressContext context) : IProgress<JobProgress>
{
    private readonly Dictionary<string, ProgressTask> tasks = [];
    private readonly Lock gate = new();

    /// <summary>Fills every bar: a stage may end before its last step.</summary>
    public void Complete()
    {
        lock (gate)
            foreach (ProgressTask task in tasks.Values)
                task.Value = task.MaxValue;
    }

    public void Report(JobProgress value)
    {
        lock (gate)
        {
            if (!tasks.TryGetValue(value.Stage, out ProgressTask? task))
                tasks[value.Stage] = task = context.AddTask(
                    Markup.Escape(value.Stage),
                    maxValue: Math.Max(1, value.Total)
                );
            if (value.Detail is { } detail)
                task.Description = Markup.Escape($"{value.Stage}: {detail}");
            task.MaxValue = Math.Max(1, value.Total);
            task.Value = Math.Max(task.Value, value.Done);
        }
    }
}

/// <summary>
/// Progress for logs: a line when a stage begins, then one per tenth of it, at most one every two seconds and at least
/// one a minute. Thread-safe.
/// </summary>
internal sealed class LineProgress(Action<string> writeLine, TimeProvider? clock = null) : IProgress<JobProgress>
{
    private static readonly TimeSpan Quiet = TimeSpan.FromSeconds(2),
        Longest = TimeSpan.FromMinutes(1);
    private readonly TimeProvider clock = clock ?? TimeProvider.System;
    private readonly Lock gate = new();
    private string stage = "";
    private long tenth;
    private long last;

    public void Report(JobProgress value)
    {
        lock (gate)
        {
            long now = value.Total > 0 ? value.Done * 10 / value.Total : 0;
            bool begins = value.Stage != stage;
            TimeSpan silent = clock.GetElapsedTime(last);
            if (!begins && (silent < Quiet || (now <= tenth && silent < Longest)))
                return;
            (stage, tenth, last) = (value.Stage, now, clock.GetTimestamp());
            writeLine(
                begins
                    ? value.Stage
                    : FormattableString.Invariant(
                        $"{value.Stage} {Count(value)}{(value.Detail is null ? "" : ": " + value.Detail)}"
                    )
            );
        }
    }

    private static string Count(JobProgress value) =>
        value.Total > 0
            ? FormattableString.Invariant($"{value.Done}/{value.Total}")
            : FormattableString.Invariant($"{value.Done}");
}

/// <summary>
/// The one filter between text of others and the terminal: labels, node names and file names can hold escape sequences
/// that colour, retitle or rewrite a terminal. Control characters and marks that turn the direction of writing are left
/// out.
/// </summary>
internal static class Printable
{
    /// <summary>The text without them; line feeds and tabs stay.</summary>
    public static string Of(string text)
    {
        if (!text.AsSpan().ContainsAnyExceptInRange(' ', '~'))
            return text;
        var kept = new StringBuilder(text.Length);
        foreach (char c in text)
            if (c is '\n' or '\t' || !(char.IsControl(c) || IsTurn(c)))
                kept.Append(c);
        return kept.ToString();
    }

    /// <summary>
    /// JSON with such characters escaped, so that a program still gets them. Between strings there are none.
    /// </summary>
    public static string Json(string json)
    {
        var escaped = new StringBuilder(json.Length);
        foreach (char c in json)
        {
            if (IsTurn(c) || (char.IsControl(c) && c is not ('\n' or '\r')))
                escaped.Append($"\\u{(int)c:x4}");
            else
                escaped.Append(c);
        }

        return escaped.ToString();
    }

    /// <summary>
    /// Makes a console filter what it is given to write; colours and cursor movements of its own stay.
    /// </summary>
    public static IAnsiConsole Filtered(IAnsiConsole console)
    {
        console.Pipeline.Attach(new Hook());
        return console;
    }

    /// <summary>
    /// Embeddings, overrides and isolates of the bidirectional algorithm: with them "gpj.exe" reads "exe.jpg".
    /// </summary>
    private static bool IsTurn(char c) => c is (>= '\u202A' and <= '\u202E') or (>= '\u2066' and <= '\u2069');

    private sealed class Hook : IRenderHook
    {
        public IEnumerable<IRenderable> Process(RenderOptions options, IEnumerable<IRenderable> renderables) =>
            renderables.Select(r => new Clean(r));
    }

    private sealed class Clean(IRenderable inner) : IRenderable
    {
        public Measurement Measure(RenderOptions options, int maxWidth) => inner.Measure(options, maxWidth);

        public IEnumerable<Segment> Render(RenderOptions options, int maxWidth) =>
            inner
                .Render(options, maxWidth)
                .Select(s => s.IsControlCode || s.IsLineBreak ? s : new Segment(Of(s.Text), s.Style));
    }
}
