using System.CommandLine;
using System.CommandLine.Parsing;
using MlNetTransfer.Onnx;

namespace MlNetTransfer.Cli;

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
