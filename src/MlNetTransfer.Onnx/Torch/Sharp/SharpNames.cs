using System.Globalization;
using MlNetTransfer.Onnx.Torch.Modules;

namespace MlNetTransfer.Onnx.Torch.Sharp;

/// <summary>Names in C#.</summary>
internal static class SharpNames
{
    private static readonly HashSet<string> Keywords =
    [
        "abstract",
        "as",
        "base",
        "bool",
        "break",
        "byte",
        "case",
        "catch",
        "char",
        "checked",
        "class",
        "const",
        "continue",
        "decimal",
        "default",
        "delegate",
        "do",
        "double",
        "else",
        "enum",
        "event",
        "explicit",
        "extern",
        "false",
        "finally",
        "fixed",
        "float",
        "for",
        "foreach",
        "goto",
        "if",
        "implicit",
        "in",
        "int",
        "interface",
        "internal",
        "is",
        "lock",
        "long",
        "namespace",
        "new",
        "null",
        "object",
        "operator",
        "out",
        "override",
        "params",
        "private",
        "protected",
        "public",
        "readonly",
        "ref",
        "return",
        "sbyte",
        "sealed",
        "short",
        "sizeof",
        "stackalloc",
        "static",
        "string",
        "struct",
        "switch",
        "this",
        "throw",
        "true",
        "try",
        "typeof",
        "uint",
        "ulong",
        "unchecked",
        "unsafe",
        "ushort",
        "using",
        "virtual",
        "void",
        "volatile",
        "while",
    ];

    /// <summary>Whether a field can have the name, so that TorchSharp registers it by itself.</summary>
    public static bool IsField(string name) => char.IsAsciiLetter(name[0]) || name[0] == '_';

    /// <summary>The name of the field of a member.</summary>
    public static string Field(string name) =>
        Keywords.Contains(name) ? "@" + name
        : IsField(name) ? name
        : "_" + name;

    /// <summary>A module as seen from one around it.</summary>
    public static string Path(TorchModule from, TorchModule to) =>
        string.Join('.', to.Ancestry.TakeWhile(m => m != from).Reverse().Select(Member));

    /// <summary>PascalCase of a name, without the number at its end.</summary>
    public static string Pascal(string name, bool keepNumber = false)
    {
        string text = string.Concat(
            name.Split('_', StringSplitOptions.RemoveEmptyEntries)
                .Select(p => char.ToUpper(p[0], CultureInfo.InvariantCulture) + p[1..])
        );
        string trimmed = keepNumber ? text : text.TrimEnd('0', '1', '2', '3', '4', '5', '6', '7', '8', '9');
        return trimmed.Length == 0 || !char.IsAsciiLetter(trimmed[0]) ? "Block" + (keepNumber ? text : "") : trimmed;
    }

    // A module that its parent does not call is reached through a tuple, which TorchSharp does not take for a module of
    // that name.
    private static string Member(TorchModule module) =>
        Field(module.Name) + (!IsField(module.Name) && module is { Layer: null, Body: null } ? ".Item1" : "");
}
