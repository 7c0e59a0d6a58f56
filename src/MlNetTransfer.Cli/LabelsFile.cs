using System.Text;

namespace MlNetTransfer.Cli;

/// <summary>A text file with one class per line.</summary>
internal static class LabelsFile
{
    /// <exception cref="TransferException">The file cannot be read, or has an empty line before the end.</exception>
    public static IReadOnlyList<string> Read(string file)
    {
        try
        {
            string[] lines =
            [
                .. File.ReadAllText(file, new UTF8Encoding(false, throwOnInvalidBytes: true))
                    .TrimEnd()
                    .Split('\n')
                    .Select(l => l.Trim()),
            ];
            int empty = Array.IndexOf(lines, "");
            return empty < 0
                ? lines
                : throw new TransferException(
                    $"{file}: line {empty + 1} is empty; expected one class per line, in the order of the model's "
                        + $"output."
                );
        }
        catch (Exception cause) when (cause is IOException or UnauthorizedAccessException or DecoderFallbackException)
        {
            throw new TransferException(
                $"{file} could not be read as UTF-8 text ({cause.Message}). Give a text file with one class per line.",
                cause
            );
        }
    }
}
