namespace MlNetTransfer.Imaging.Decoding;

/// <summary>Turns a decoder's words into one line for the ledger.</summary>
internal static class DecodeFailure
{
    private const int LongestWords = 160;

    private static readonly string[] TruncationWords =
    [
        "premature end",
        "truncated",
        "end of file",
        "end of input",
        "eof",
        "not enough data",
        "unexpected end",
        "too short",
        "insufficient data",
        "short file",
    ];

    /// <summary>Messages of libvips' input layer about how far it looked: consequences, never causes.</summary>
    private static readonly string[] Noise = ["bad seek to", "unable to open source"];

    /// <summary>Whether the decoder says that pixels are missing.</summary>
    public static bool IsTruncated(string words) =>
        TruncationWords.Any(word => words.Contains(word, StringComparison.OrdinalIgnoreCase));

    /// <param name="format">What the first bytes say it is.</param>
    /// <param name="outcome">Where it failed.</param>
    /// <param name="words">The decoder's error buffer, a message a line.</param>
    public static ImageRejectedException Describe(ImageFormat format, DecodeOutcome outcome, string words)
    {
        string[] lines =
        [
            .. words
                .Split('\n', StringSplitOptions.RemoveEmptyEntries | StringSplitOptions.TrimEntries)
                .Where(line => !Noise.Any(noise => line.Contains(noise, StringComparison.OrdinalIgnoreCase))),
        ];
        bool truncated = Array.Exists(lines, IsTruncated);
        string kind =
            truncated ? "truncated"
            : outcome == DecodeOutcome.FailedInHeader ? "unreadable header of"
            : "damaged";
        string detail = string.Join("; ", lines.Select(WithoutSource).Distinct(StringComparer.Ordinal));
        if (detail.Length > LongestWords)
            detail = detail[..LongestWords] + "…";
        return new ImageRejectedException(
            $"{kind} {FormatNames.Of(format)}: {(detail.Length > 0 ? detail : "the decoder gives no reason")}"
        );
    }

    /// <summary>"VipsJpeg: premature end" → "premature end".</summary>
    private static string WithoutSource(string line)
    {
        int colon = line.IndexOf(": ", StringComparison.Ordinal);
        return colon > 0 && !line.AsSpan(0, colon).Contains(' ') ? line[(colon + 2)..] : line;
    }
}
