using System.Text.RegularExpressions;

namespace MlNetTransfer.Tests.Shared;

/// <summary>
/// The code in a document must be code that a test compiles and runs: here both are read, to be compared.
/// </summary>
internal static class DocumentedCode
{
    /// <summary>The fenced blocks of a document in one language, in its order.</summary>
    public static IReadOnlyList<string> Blocks(string document, string language) =>
        [
            .. Regex
                .Matches(
                    File.ReadAllText(Repository.At(document)),
                    $"^```{language}\\n(.*?)^```",
                    RegexOptions.Singleline | RegexOptions.Multiline
                )
                .Select(m => m.Groups[1].Value),
        ];

    /// <summary>The parts of a source file between two markers.</summary>
    public static IReadOnlyList<string> Parts(string source, string begin, string end)
    {
        string text = File.ReadAllText(Repository.At(source));
        return
        [
            .. Regex
                .Matches(
                    text,
                    $"^ *{Regex.Escape(begin)}[^\\n]*\\n(.*?)^ *{Regex.Escape(end)}",
                    RegexOptions.Singleline | RegexOptions.Multiline
                )
                .Select(m => m.Groups[1].Value),
        ];
    }

    /// <summary>Without indentation and empty lines, in which document and source differ.</summary>
    public static string Normal(string text) =>
        string.Join('\n', text.Split('\n').Select(line => line.Trim()).Where(line => line.Length > 0));
}
