using System.Text.Encodings.Web;
using System.Text.Json;
using System.Text.Json.Serialization;
using Spectre.Console;

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
