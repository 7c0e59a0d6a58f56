using System.CommandLine;
using System.CommandLine.Help;
using System.CommandLine.Invocation;
using System.CommandLine.Parsing;
using System.Text;
using System.Text.RegularExpressions;
using MlNetTransfer.Onnx;

namespace MlNetTransfer.Cli;

/// <summary>A command whose options stand in groups in its help.</summary>
internal sealed class GroupedCommand : Command
{
    /// <param name="name">Its name.</param>
    /// <param name="description">What it does.</param>
    /// <param name="groups">Titles and options, in the order of the help.</param>
    public GroupedCommand(
        string name,
        string description,
        params IReadOnlyList<(string Title, Option[] Options)> groups
    )
        : base(name, description)
    {
        Groups = groups;
        foreach (Option option in groups.SelectMany(g => g.Options))
            Add(option);
    }

    /// <summary>Titles and options.</summary>
    public IReadOnlyList<(string Title, Option[] Options)> Groups { get; }
}

/// <summary>
/// Writes --help: usage, arguments and options with their defaults, in the words of the command line.
/// </summary>
internal sealed class HelpPage(Terminal terminal) : SynchronousCommandLineAction
{
    private const int Width = 100,
        Column = 28;

    public override bool ClearsParseErrors => true;

    public override int Invoke(ParseResult parseResult)
    {
        terminal.WriteText(Of(parseResult.CommandResult.Command));
        return ExitCode.Done;
    }

    private static string Of(Command command)
    {
        var text = new StringBuilder();
        Paragraph(text, command.Description ?? "", 0);
        text.Append('\n').Append("Usage: mlnet-transfer").Append(Path(command));
        if (command.Subcommands.Count > 0)
            text.Append(" <command>");
        foreach (Argument argument in command.Arguments)
            text.Append($" <{argument.Name}>{(argument.Arity.MaximumNumberOfValues > 1 ? "..." : "")}");
        text.Append(" [options]\n");
        Section(text, "Commands", command.Subcommands.Select(c => (c.Name, c.Description ?? "")));
        Section(text, "Arguments", command.Arguments.Select(a => ($"<{a.Name}>", a.Description ?? "")));
        foreach ((string title, Option[] options) in Groups(command))
            Section(text, title, options.Select(Row));
        return text.ToString();
    }

    private static string Path(Command command) =>
        command is RootCommand ? "" : $"{Path(command.Parents.OfType<Command>().First())} {command.Name}";

    private static IEnumerable<(string, Option[])> Groups(Command command)
    {
        var grouped = command as GroupedCommand;
        foreach ((string, Option[]) group in grouped?.Groups ?? [])
            yield return group;
        Option[] rest =
        [
            .. command.Options.Where(o => !o.Hidden && !(grouped?.Groups.Any(g => g.Options.Contains(o)) ?? false)),
        ];
        if (rest.Length > 0)
            yield return (grouped is null ? "Options" : "Other", rest);
    }

    private static (string, string) Row(Option option)
    {
        bool flag = option.ValueType == typeof(bool) || option is HelpOption;
        string value = flag || option is VersionOption ? "" : $" <{option.HelpName ?? "value"}>";
        object? standard = !flag && option.HasDefaultValue ? option.GetDefaultValue() : null;
        string note =
            option.Required ? " [required]"
            : standard is null ? ""
            : $" [default: {FlagText.Of(standard)}]";
        return (
            $"{string.Join(", ", option.Aliases.Where(a => a.StartsWith('-')).Prepend(option.Name).Distinct())}{value}",
            option.Description + note
        );
    }

    private static void Section(StringBuilder text, string title, IEnumerable<(string Name, string Description)> rows)
    {
        bool begun = false;
        foreach ((string name, string description) in rows)
        {
            if (!begun)
                text.Append('\n').Append(title).Append(":\n");
            begun = true;
            text.Append("  ").Append(name);
            if (name.Length > Column - 4)
                text.Append('\n').Append(' ', Column);
            else
                text.Append(' ', Column - 2 - name.Length);
            Paragraph(text, description, Column);
        }
    }

    /// <summary>Words in lines of the page's width; the first line goes on where the text stands.</summary>
    private static void Paragraph(StringBuilder text, string words, int indent)
    {
        const char together = '\u00A0';
        words = Regex.Replace(words, @"\[[^\]]*\]", m => m.Value.Replace(' ', together));
        string[] lines = words.Split('\n');
        for (int i = 0; i < lines.Length; i++)
        {
            int at = indent;
            if (i > 0)
                text.Append(' ', indent);
            foreach (string word in lines[i].Split(' '))
            {
                if (at > indent && at + 1 + word.Length > Width)
                {
                    text.Append('\n').Append(' ', indent);
                    at = indent;
                }

                if (at > indent)
                    text.Append(' ');
                text.Append(word.Replace(together, ' '));
                at += word.Length + 1;
            }

            text.Append('\n');
        }
    }
}

/// <summary>What a misspelt word of the command line may have meant.</summary>
internal static class Suggestions
{
    /// <summary>" Did you mean 'x'?", or nothing where no candidate is near.</summary>
    public static string Sentence(string word, IEnumerable<string> candidates) =>
        NearestNames.Of(word, candidates.Where(c => IsNear(word, c)), 1) is [var nearest]
            ? $" Did you mean '{nearest}'?"
            : "";

    /// <summary>All that is wrong with a command line, a sentence each; empty where nothing is.</summary>
    public static IReadOnlyList<string> Problems(ParseResult parsed)
    {
        // An unknown option that an argument could hold is taken for a file name by the parser.
        string[] unknown = [.. parsed.UnmatchedTokens.Concat(Arguments(parsed)).Where(IsOption).Distinct()];
        if (unknown.Length > 0 && parsed.Action?.ClearsParseErrors != true)
            return [.. unknown.Select(o => UnknownOption(parsed, o))];
        if (parsed.Errors.Count == 0 || parsed.Action?.ClearsParseErrors == true)
            return [];
        Command command = parsed.CommandResult.Command;
        if (command.Subcommands.Count > 0 && parsed.UnmatchedTokens is [var word, ..])
            return [UnknownCommand(command, word)];
        return [.. parsed.Errors.Select(e => e.Message).Distinct()];
    }

    private static bool IsNear(string word, string candidate) =>
        NearestNames.Distance(word.ToLowerInvariant(), candidate)
            <= Math.Max(1, (candidate.TrimStart('-').Length + 1) / 3)
        || (word.Length > 4 && candidate.StartsWith(word, StringComparison.OrdinalIgnoreCase));

    private static bool IsOption(string token) =>
        token.Length > 1 && token[0] == '-' && !char.IsAsciiDigit(token[1]) && token != "--";

    /// <summary>What arguments took before a "--", after which everything is a file name.</summary>
    private static IEnumerable<string> Arguments(ParseResult parsed)
    {
        HashSet<Token> literal = [.. parsed.Tokens.SkipWhile(t => t.Type != TokenType.DoubleDash)];
        return parsed
            .CommandResult.Children.OfType<ArgumentResult>()
            .SelectMany(a => a.Tokens)
            .Where(t => !literal.Contains(t))
            .Select(t => t.Value);
    }

    private static string UnknownOption(ParseResult parsed, string option)
    {
        Command command = parsed.CommandResult.Command;
        string name = option.Split('=', ':')[0];
        string sentence = Sentence(name, command.Options.SelectMany(o => o.Aliases.Prepend(o.Name)));
        return $"{(command is RootCommand ? "There is" : $"{command.Name} has")} no option '{name}'.{sentence}";
    }

    private static string UnknownCommand(Command command, string word)
    {
        string[] names = [.. command.Subcommands.Select(c => c.Name)];
        string meant = Sentence(word, names);
        return $"There is no command '{word}'.{(meant.Length > 0 ? meant : $" There are {string.Join(", ", names)}.")}";
    }
}
