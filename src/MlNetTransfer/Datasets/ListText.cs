using System.Text;
using MlNetTransfer.Onnx;

namespace MlNetTransfer.Datasets;

/// <summary>
/// The text of a list: UTF-8, or UTF-16 with a byte order mark. What is wrong with the file comes out as an error that
/// names it.
/// </summary>
internal sealed class ListText : TextReader
{
    private readonly string source;
    private readonly int maxRowLength;
    private readonly StreamReader inner;

    /// <exception cref="TransferException">The file is missing or cannot be read.</exception>
    public ListText(string source, ListLimits limits)
    {
        (this.source, maxRowLength) = (source, limits.MaxRowLength);
        inner = Guarded(() =>
            new StreamReader(RegularFile.OpenRead(source), new UTF8Encoding(false, throwOnInvalidBytes: true))
        );
    }

    public override int Peek() => Guarded(inner.Peek);

    public override int Read() => Guarded(inner.Read);

    public override int Read(char[] buffer, int index, int count) => Guarded(() => inner.Read(buffer, index, count));

    /// <summary>
    /// The next line, without its end; null where there is none. A line that never ends does not fill the memory.
    /// </summary>
    /// <param name="line">The line's number, for the error.</param>
    public string? ReadLine(int line)
    {
        if (Peek() < 0)
            return null;
        var text = new StringBuilder();
        for (int c = Read(); c is not (-1 or '\n'); c = Read())
        {
            text.Append((char)c);
            CheckRow(line, text.Length);
        }

        return text.ToString();
    }

    /// <exception cref="TransferException">The row is too long.</exception>
    public void CheckRow(long line, long length)
    {
        if (length > maxRowLength)
            throw new TransferException(
                $"'{source}', line {line}: a row of more than {maxRowLength} characters, the most allowed. Is a "
                    + $"closing quote missing? Otherwise raise {nameof(ListLimits.MaxRowLength)}."
            );
    }

    protected override void Dispose(bool disposing)
    {
        if (disposing)
            inner.Dispose();
        base.Dispose(disposing);
    }

    private T Guarded<T>(Func<T> read)
    {
        try
        {
            return read();
        }
        catch (DecoderFallbackException e)
        {
            throw new TransferException(
                $"'{source}' is not UTF-8 text"
                    + (e.BytesUnknown is [var first, ..] ? $": it has the byte 0x{first:X2} where UTF-8 has none" : "")
                    + $". Save it as UTF-8.",
                e
            );
        }
        catch (Exception e) when (e is FileNotFoundException or DirectoryNotFoundException)
        {
            throw new TransferException($"'{source}' does not exist. Check the path.", e);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            throw new TransferException(
                $"'{source}' cannot be read: {e.Message.TrimEnd('.')}. Check its permissions and the disk.",
                e
            );
        }
    }
}
