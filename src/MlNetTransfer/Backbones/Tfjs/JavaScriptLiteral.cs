using System.Text;

namespace MlNetTransfer.Backbones.Tfjs;

/// <summary>
/// Rewrites an object literal as minifiers write it (unquoted keys, <c>.5</c>, <c>!0</c>, <c>void 0</c>, single quotes) as JSON. Only data is
/// understood: an identifier, call or operator is an error, so nothing in the script can have an effect.
/// </summary>
internal sealed class JavaScriptLiteral(string script, int start, string file)
{
    public const int MaxNesting = 64;

    private readonly StringBuilder _json = new();
    private int _at = start;

    /// <summary>The literal at the start position as JSON; what follows it is not read.</summary>
    public string ToJson()
    {
        Value(0);
        return _json.ToString();
    }

    private char Current => _at < script.Length ? script[_at] : throw Error("the end of the file");

    private void Value(int depth)
    {
        if (depth >= MaxNesting) throw Error($"more than {MaxNesting} nested objects");
        SkipSpace();
        switch (Current)
        {
            case '{': Members('}', depth, keys: true); break;
            case '[': Members(']', depth, keys: false); break;
            case '"' or '\'': QuotedString(); break;
            case '!': Flag(); break;
            case '-' or '+' or '.' or (>= '0' and <= '9'): Number(); break;
            default: Word(); break;
        }
    }

    private void Members(char close, int depth, bool keys)
    {
        _json.Append(script[_at++]);
        for (bool first = true; ; first = false)
        {
            SkipSpace();
            if (Current == close) break;
            if (!first)
            {
                Expect(',');
                SkipSpace();
                if (Current == close) break;
                _json.Append(',');
            }

            if (keys) Key();
            Value(depth + 1);
        }

        _json.Append(script[_at++]);
    }

    private void Key()
    {
        if (Current is '"' or '\'') QuotedString();
        else
        {
            int begin = _at;
            while (char.IsLetterOrDigit(Current) || Current is '_' or '$') _at++;
            if (_at == begin) throw Error($"'{Current}' where a key should be");
            _json.Append('"').Append(script, begin, _at - begin).Append('"');
        }

        SkipSpace();
        Expect(':');
        _json.Append(':');
    }

    private void QuotedString()
    {
        char quote = script[_at++];
        _json.Append('"');
        while (Current != quote)
        {
            char c = script[_at++];
            if (c == '\\' && Current == '\'') _json.Append(script[_at++]);
            else if (c == '\\' && "\"\\/bfnrtu".Contains(Current)) _json.Append(c).Append(script[_at++]);
            else if (c == '\\') throw Error($"the escape '\\{Current}'");
            else if (c == '"') _json.Append("\\\"");
            else _json.Append(c);
        }

        _at++;
        _json.Append('"');
    }

    private void Flag()
    {
        string? value = script.AsSpan(_at) switch { ['!', '0', ..] => "true", ['!', '1', ..] => "false", _ => null };
        _json.Append(value ?? throw Error("an expression"));
        _at += 2;
    }

    private void Number()
    {
        int begin = _at;
        while (Current is '-' or '+' or '.' or 'e' or 'E' or (>= '0' and <= '9')) _at++;
        if (!double.TryParse(script.AsSpan(begin, _at - begin), System.Globalization.NumberStyles.Float, System.Globalization.CultureInfo.InvariantCulture, out double value)) throw Error($"the number '{script[begin.._at]}'");
        _json.Append(System.Globalization.CultureInfo.InvariantCulture, $"{value:R}");
    }

    private void Word()
    {
        foreach ((string word, string json) in new[] { ("null", "null"), ("true", "true"), ("false", "false"), ("void 0", "null") })
            if (script.AsSpan(_at).StartsWith(word))
            {
                _at += word.Length;
                _json.Append(json);
                return;
            }

        throw Error($"'{Current}'");
    }

    private void SkipSpace()
    {
        while (char.IsWhiteSpace(Current)) _at++;
    }

    private void Expect(char c)
    {
        if (Current != c) throw Error($"'{Current}' instead of '{c}'");
        _at++;
    }

    private TfjsException Error(string found) => new($"{file}: found {found} at character {_at}; expected data only (an object literal without expressions). Restore the package again.");
}
