using System.Globalization;
using System.Text;

namespace MlNetTransfer.Datasets;

/// <summary>
/// Finds names that look the same and are not: composed and decomposed letters, kinds of blanks, characters of no
/// width.
/// </summary>
/// <remarks>
/// Names are compared by a skeleton: canonical decomposition (Unicode Standard, 3.7 and 3.12;
/// <see cref="string.Normalize()"/> needs the system's tables and does nothing without them, so those of plane 0 are
/// kept here), marks of one letter in the order of their numbers, every blank as one ' ', full-width characters as the
/// ordinary ones, format characters and variation selectors left out. Letters of two alphabets that look alike are not
/// compared.
/// </remarks>
internal static class LookAlikes
{
    private static readonly Lazy<Dictionary<char, string>> Decompositions = new(ReadDecompositions);

    /// <summary>The first two names that look the same; null where all differ.</summary>
    public static (string One, string Other)? Find(IEnumerable<string> names)
    {
        var seen = new Dictionary<string, string>(StringComparer.OrdinalIgnoreCase);
        foreach (string name in names)
        {
            string skeleton = Skeleton(name);
            if (seen.TryGetValue(skeleton, out string? before) && before != name)
                return (before, name);
            seen[skeleton] = name;
        }

        return null;
    }

    /// <summary>Where two names differ, by code points: "'cafe' with U+00E9 and 'cafe' with U+0065 U+0301".</summary>
    public static string Describe(string one, string other)
    {
        Rune[] a = [.. one.EnumerateRunes()],
            b = [.. other.EnumerateRunes()];
        int start = a.AsSpan().CommonPrefixLength(b),
            end = 0;
        while (end < Math.Min(a.Length, b.Length) - start && a[^(end + 1)] == b[^(end + 1)])
            end++;
        return $"'{one}' with {Points(a[start..^end])} and '{other}' with {Points(b[start..^end])} at character "
            + $"{start + 1}";
    }

    /// <summary>What a name looks like: equal for names that look the same.</summary>
    public static string Skeleton(string name)
    {
        var skeleton = new StringBuilder(name.Length);
        var marks = new List<Rune>();
        foreach (Rune rune in Decomposed(name).EnumerateRunes())
        {
            UnicodeCategory category = Rune.GetUnicodeCategory(rune);
            if (
                category == UnicodeCategory.Format
                || rune.Value is (>= 0xFE00 and <= 0xFE0F) or (>= 0xE0100 and <= 0xE01EF) or 0x034F
            )
                continue;
            if (category == UnicodeCategory.NonSpacingMark)
            {
                marks.Add(rune);
                continue;
            }

            AppendMarks();
            if (category != UnicodeCategory.SpaceSeparator)
                skeleton.Append(Narrow(rune));
            else if (skeleton.Length > 0 && skeleton[^1] != ' ')
                skeleton.Append(' ');
        }

        AppendMarks();
        return skeleton.ToString().TrimEnd(' ');

        void AppendMarks()
        {
            foreach (Rune mark in marks.Order())
                skeleton.Append(mark);
            marks.Clear();
        }
    }

    /// <summary>
    /// Full-width letters, digits and signs as the ordinary ones (Unicode, Halfwidth and Fullwidth Forms).
    /// </summary>
    private static Rune Narrow(Rune rune) =>
        rune.Value is >= 0xFF01 and <= 0xFF5E ? new Rune(rune.Value - 0xFEE0) : rune;

    private static string Points(Rune[] runes) =>
        runes.Length == 0 ? "nothing" : string.Join(' ', runes.Select(r => $"U+{r.Value:X4}"));

    /// <summary>The canonical decomposition of a text, its marks in the order in which they stand.</summary>
    public static string Decomposed(string name)
    {
        if (!name.AsSpan().ContainsAnyExceptInRange('\0', '\u007F'))
            return name;
        var text = new StringBuilder(name.Length);
        foreach (char c in name)
            Append(text, c);
        return text.ToString();
    }

    private static void Append(StringBuilder text, char c)
    {
        const int syllables = 0xAC00,
            vowels = 21,
            tails = 28;
        if (c is >= '\uAC00' and <= '\uD7A3')
        {
            int index = c - syllables;
            text.Append((char)(0x1100 + index / (vowels * tails)))
                .Append((char)(0x1161 + index % (vowels * tails) / tails));
            if (index % tails > 0)
                text.Append((char)(0x11A7 + index % tails));
        }
        else if (c > '\u007F' && Decompositions.Value.TryGetValue(c, out string? parts))
        {
            foreach (char part in parts)
                Append(text, part);
        }
        else
        {
            text.Append(c);
        }
    }

    /// <summary>
    /// Lines of a second code point, or '-' for none, and pairs of a first one and what both compose.
    /// </summary>
    private static Dictionary<char, string> ReadDecompositions()
    {
        var decompositions = new Dictionary<char, string>();
        using Stream stream = typeof(LookAlikes).Assembly.GetManifestResourceStream("Decompositions.txt")!;
        using var reader = new StreamReader(stream);
        while (reader.ReadLine() is { } line)
        {
            if (line.StartsWith('#'))
                continue;
            string[] words = line.Split(' ');
            string second = words[0] == "-" ? "" : $"{Character(words[0])}";
            foreach (string pair in words.AsSpan(1))
                decompositions.Add(Character(pair[5..]), Character(pair[..4]) + second);
        }

        return decompositions;
    }

    private static char Character(string hexadecimal) =>
        (char)ushort.Parse(hexadecimal, NumberStyles.HexNumber, CultureInfo.InvariantCulture);
}
