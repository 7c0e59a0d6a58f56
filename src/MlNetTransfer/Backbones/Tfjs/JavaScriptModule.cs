using System.Text;
using System.Text.Json;

namespace MlNetTransfer.Backbones.Tfjs;

/// <summary>
/// Takes the literal out of a JavaScript module of the form <c>… module.exports = literal …</c>. The script is never
/// run.
/// </summary>
internal static class JavaScriptModule
{
    private const string Marker = ".exports=";

    /// <summary>The exported string, decoded from base64.</summary>
    /// <param name="script">Text of the module.</param>
    /// <param name="file">The module's file, for errors.</param>
    public static byte[] ExportedBytes(string script, string file)
    {
        int start = ExportedLiteral(script, file, '"');
        int end = script.IndexOf(script[start], start + 1);
        if (end < 0)
            throw new TfjsException(
                $"{file}: the exported string has no end; the file is cut short. Restore the package again."
            );
        byte[] bytes = new byte[(end - start) / 4 * 3 + 3];
        return Convert.TryFromBase64Chars(script.AsSpan(start + 1, end - start - 1), bytes, out int length)
            ? bytes[..length]
            : throw new TfjsException($"{file}: the exported string is not base64. Restore the package again.");
    }

    /// <summary>The exported object literal.</summary>
    /// <param name="script">Text of the module.</param>
    /// <param name="file">The module's file, for errors.</param>
    public static JsonDocument ExportedObject(string script, string file)
    {
        string json = new JavaScriptLiteral(script, ExportedLiteral(script, file, '{'), file).ToJson();
        return JsonDocument.Parse(json, new JsonDocumentOptions { MaxDepth = JavaScriptLiteral.MaxNesting });
    }

    private static int ExportedLiteral(string script, string file, char open)
    {
        for (
            int at = script.IndexOf(Marker, StringComparison.Ordinal);
            at >= 0;
            at = script.IndexOf(Marker, at + 1, StringComparison.Ordinal)
        )
        {
            int start = at + Marker.Length;
            if (start < script.Length && (script[start] == open || (open == '"' && script[start] == '\'')))
                return start;
        }

        throw new TfjsException(
            $"{file}: found no '{Marker}{open}'; expected a JavaScript module that exports "
                + $"{(open == '{' ? "the model's topology as an object" : "weights as a base64 string")}."
        );
    }
}

/// <summary>
/// Rewrites an object literal as minifiers write it (unquoted keys, <c>.5</c>, <c>!0</c>, <c>void 0</c>, single quotes)
/// as JSON. Only data is understood: an identifier, call or operator is an error, so nothing in the script can have an
/// effect.
/// </summary>
internal sealed class JavaScriptLiteral(string script, int start, string file)
{
    public const int MaxNesting = 64;

    private readonly StringBuilder json = new();
    private int at = start;

    /// <summary>The literal at the start position as JSON; what follows it is not read.</summary>
    public string ToJson()
    {
        Value(0);
        return json.ToString();
    }

    private char Current => at < script.Length ? script[at] : throw Error("the end of the file");

    private void Value(int depth)
    {
        if (depth >= MaxNesting)
            throw Error($"more than {MaxNesting} nested objects");
        SkipSpace();
        switch (Current)
        {
            case '{':
                Members('}', depth, keys: true);
                break;
            case '[':
                Members(']', depth, keys: false);
                break;
            case '"' or '\'':
                QuotedString();
                break;
            case '!':
                Flag();
                break;
            case '-' or '+' or '.' or (>= '0' and <= '9'):
                Number();
                break;
            default:
                Word();
                break;
        }
    }

    private void Members(char close, int depth, bool keys)
    {
        json.Append(script[at++]);
        for (bool first = true; ; first = false)
        {
            SkipSpace();
            if (Current == close)
                break;
            if (!first)
            {
                Expect(',');
                SkipSpace();
                if (Current == close)
                    break;
                json.Append(',');
            }

            if (keys)
                Key();
            Value(depth + 1);
        }

        json.Append(script[at++]);
    }

    private void Key()
    {
        if (Current is '"' or '\'')
            QuotedString();
        else
        {
            int begin = at;
            while (char.IsLetterOrDigit(Current) || Current is '_' or '$')
                at++;
            if (at == begin)
                throw Error($"'{Current}' where a key should be");
            json.Append('"').Append(script, begin, at - begin).Append('"');
        }

        SkipSpace();
        Expect(':');
        json.Append(':');
    }

    private void QuotedString()
    {
        char quote = script[at++];
        json.Append('"');
        while (Current != quote)
        {
            char c = script[at++];
            if (c == '\\' && Current == '\'')
                json.Append(script[at++]);
            else if (c == '\\' && "\"\\/bfnrtu".Contains(Current))
                json.Append(c).Append(script[at++]);
            else if (c == '\\')
                throw Error($"the escape '\\{Current}'");
            else if (c == '"')
                json.Append("\\\"");
            else
                json.Append(c);
        }

        at++;
        json.Append('"');
    }

    private void Flag()
    {
        string? value = script.AsSpan(at) switch
        {
            ['!', '0', ..] => "true",
            ['!', '1', ..] => "false",
            _ => null,
        };
        json.Append(value ?? throw Error("an expression"));
        at += 2;
    }

    private void Number()
    {
        int begin = at;
        while (Current is '-' or '+' or '.' or 'e' or 'E' or (>= '0' and <= '9'))
            at++;
        if (
            !double.TryParse(
                script.AsSpan(begin, at - begin),
                System.Globalization.NumberStyles.Float,
                System.Globalization.CultureInfo.InvariantCulture,
                out double value
            )
        )
            throw Error($"the number '{script[begin..at]}'");
        json.Append(System.Globalization.CultureInfo.InvariantCulture, $"{value:R}");
    }

    private void Word()
    {
        foreach (
            (string word, string json) in new[]
            {
                ("null", "null"),
                ("true", "true"),
                ("false", "false"),
                ("void 0", "null"),
            }
        )
            if (script.AsSpan(at).StartsWith(word))
            {
                at += word.Length;
                this.json.Append(json);
                return;
            }

        throw Error($"'{Current}'");
    }

    private void SkipSpace()
    {
        while (char.IsWhiteSpace(Current))
            at++;
    }

    private void Expect(char c)
    {
        if (Current != c)
            throw Error($"'{Current}' instead of '{c}'");
        at++;
    }

    private TfjsException Error(string found) =>
        new(
            $"{file}: found {found} at character {at}; expected data only (an object literal without expressions). "
                + $"Restore the package again."
        );
}
