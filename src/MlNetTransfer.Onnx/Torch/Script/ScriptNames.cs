using System.Text.RegularExpressions;
using MlNetTransfer.Onnx.Torch.Modules;

namespace MlNetTransfer.Onnx.Torch.Script;

/// <summary>Names in TorchScript.</summary>
internal static partial class ScriptNames
{
    private static readonly HashSet<string> Keywords =
    [
        "False",
        "None",
        "True",
        "and",
        "as",
        "assert",
        "async",
        "await",
        "break",
        "class",
        "continue",
        "def",
        "del",
        "elif",
        "else",
        "except",
        "finally",
        "for",
        "from",
        "global",
        "if",
        "import",
        "in",
        "inf",
        "is",
        "lambda",
        "nan",
        "nonlocal",
        "not",
        "or",
        "pass",
        "print",
        "raise",
        "return",
        "self",
        "try",
        "while",
        "with",
        "yield",
    ];

    public static bool IsIdentifier(string name) => Identifier().IsMatch(name) && !Keywords.Contains(name);

    /// <summary>A member of an expression: by a dot where its name allows.</summary>
    public static string Member(string of, string name) =>
        IsIdentifier(name) ? $"{of}.{name}" : $"getattr({of}, \"{name}\")";

    /// <summary>A module as seen from one around it.</summary>
    public static string Path(TorchModule from, TorchModule to) =>
        to.Ancestry.TakeWhile(m => m != from).Reverse().Aggregate("self", (of, module) => Member(of, module.Name));

    [GeneratedRegex("^[A-Za-z_][A-Za-z0-9_]*$")]
    private static partial Regex Identifier();
}
