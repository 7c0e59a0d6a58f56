using System.Buffers.Binary;
using System.Globalization;
using System.Numerics;
using System.Text;

namespace MlNetTransfer.Training;

/// <summary>Files of the epochs of a training, besides metrics.jsonl, for other programs.</summary>
[Flags]
public enum LogFormats
{
    /// <summary>None.</summary>
    None = 0,

    /// <summary>metrics.csv: a line for every epoch.</summary>
    Csv = 1,

    /// <summary>
    /// logs/fold-N/events.out.tfevents.*: event files that TensorBoard reads, while training runs too.
    /// </summary>
    TensorBoard = 2,
}

/// <summary>Writes them: first what the ledger has of an interrupted run, then epoch by epoch.</summary>
/// <param name="folder">The run's folder.</param>
/// <param name="formats">Which.</param>
/// <param name="clock">Dates the events.</param>
internal sealed class EpochLogs(string folder, LogFormats formats, TimeProvider clock)
{
    private const string Program = "mlnet-transfer";
    private readonly Dictionary<string, string> eventFiles = [];
    private bool begun;

    /// <summary>Adds the last of the epochs; at the first call the others too.</summary>
    /// <param name="epochs">All epochs of the run so far.</param>
    public void Add(IReadOnlyList<EpochResult> epochs)
    {
        if (formats.HasFlag(LogFormats.Csv))
            AddToCsv(epochs);
        if (formats.HasFlag(LogFormats.TensorBoard))
            foreach (EpochResult epoch in begun ? epochs.TakeLast(1) : epochs)
                AddToEvents(epoch);
        begun = true;
    }

    private void AddToCsv(IReadOnlyList<EpochResult> epochs)
    {
        string file = Path.Combine(folder, "metrics.csv");
        if (!begun)
            File.WriteAllText(
                file,
                "fold,refit,stage,epoch,step,trainLoss,validationLoss,validationAccuracy,learningRate,seconds\n"
            );
        File.AppendAllText(file, string.Concat((begun ? epochs.TakeLast(1) : epochs).Select(Line)));
    }

    private static string Line(EpochResult epoch) =>
        string.Join(
            ',',
            epoch.Fold,
            epoch.Refit ? "true" : "false",
            epoch.Stage,
            epoch.Epoch,
            epoch.Step,
            Number(epoch.TrainLoss),
            Number(epoch.ValidationLoss),
            Number(epoch.ValidationAccuracy),
            Number(TopRate(epoch)),
            Number(Math.Round(epoch.Seconds, 3))
        ) + "\n";

    private static string Number(double? value) => value?.ToString("r", CultureInfo.InvariantCulture) ?? "";

    /// <summary>That of the top block: the head's own stands first.</summary>
    private static double? TopRate(EpochResult epoch) =>
        epoch.LearningRates.Count == 0
            ? null
            : epoch.LearningRates.Values.ElementAt(Math.Min(1, epoch.LearningRates.Count - 1));

    private void AddToEvents(EpochResult epoch)
    {
        string name = FormattableString.Invariant($"fold-{epoch.Fold}{(epoch.Refit ? "-all" : "")}");
        using FileStream stream = new(
            eventFiles.TryGetValue(name, out string? file) ? file : Begin(name),
            FileMode.Append
        );
        Scalar(stream, epoch, "loss/training", epoch.TrainLoss);
        Scalar(stream, epoch, "loss/validation", epoch.ValidationLoss);
        Scalar(stream, epoch, "accuracy/validation", epoch.ValidationAccuracy);
        foreach ((string group, double rate) in epoch.LearningRates)
            Scalar(stream, epoch, $"learning-rate/{group}", rate);
    }

    /// <summary>A new event file in place of an older one.</summary>
    private string Begin(string name)
    {
        string own = Path.Combine(folder, "logs", name);
        Directory.CreateDirectory(own);
        foreach (string old in Directory.GetFiles(own, $"events.out.tfevents.*.{Program}"))
            File.Delete(old);
        string file = Path.Combine(
            own,
            FormattableString.Invariant($"events.out.tfevents.{clock.GetUtcNow().ToUnixTimeSeconds()}.{Program}")
        );
        eventFiles[name] = file;
        using FileStream stream = new(file, FileMode.CreateNew);
        TensorBoardEvents.Write(stream, Now(), 0, file: "brain.Event:2");
        return file;
    }

    private void Scalar(FileStream stream, EpochResult epoch, string tag, double? value)
    {
        if (value is { } number)
            TensorBoardEvents.Write(stream, Now(), epoch.Epoch, scalar: (tag, (float)number));
    }

    private double Now() => clock.GetUtcNow().ToUnixTimeMilliseconds() / 1000.0;
}

/// <summary>
/// Events as TensorBoard reads them: protobuf messages (Event, Summary) in TFRecord frames.
/// </summary>
/// <remarks>
/// A frame is the length (8 bytes, low first), the masked CRC-32C of that, the message and its masked CRC-32C; masked
/// is ((crc &gt;&gt; 15) | (crc &lt;&lt; 17)) + 0xa282ead8.
/// </remarks>
internal static class TensorBoardEvents
{
    /// <summary>Appends an event.</summary>
    /// <param name="stream">The file.</param>
    /// <param name="seconds">Wall time since 1970.</param>
    /// <param name="step">Step.</param>
    /// <param name="file">Version of the file, of its first event.</param>
    /// <param name="scalar">Tag and value.</param>
    public static void Write(
        Stream stream,
        double seconds,
        long step,
        string? file = null,
        (string Tag, float Value)? scalar = null
    )
    {
        using var message = new MemoryStream();
        // Event: wall_time = 1 (double), step = 2 (int64), file_version = 3, summary = 5.
        message.WriteByte(0x09);
        message.Write(BitConverter.GetBytes(seconds));
        message.WriteByte(0x10);
        Varint(message, (ulong)step);
        if (file is not null)
            Bytes(message, 0x1a, Encoding.UTF8.GetBytes(file));
        if (scalar is var (tag, value))
        {
            // Summary: value = 1; Summary.Value: tag = 1, simple_value = 2 (float).
            using var one = new MemoryStream();
            Bytes(one, 0x0a, Encoding.UTF8.GetBytes(tag));
            one.WriteByte(0x15);
            one.Write(BitConverter.GetBytes(value));
            using var summary = new MemoryStream();
            Bytes(summary, 0x0a, one.ToArray());
            Bytes(message, 0x2a, summary.ToArray());
        }

        byte[] data = message.ToArray(),
            length = new byte[8];
        BinaryPrimitives.WriteInt64LittleEndian(length, data.Length);
        stream.Write(length);
        stream.Write(BitConverter.GetBytes(Masked(length)));
        stream.Write(data);
        stream.Write(BitConverter.GetBytes(Masked(data)));
    }

    private static void Bytes(MemoryStream stream, byte key, byte[] content)
    {
        stream.WriteByte(key);
        Varint(stream, (ulong)content.Length);
        stream.Write(content);
    }

    private static void Varint(MemoryStream stream, ulong value)
    {
        for (; value >= 0x80; value >>= 7)
            stream.WriteByte((byte)(value | 0x80));
        stream.WriteByte((byte)value);
    }

    private static uint Masked(byte[] data)
    {
        uint crc = uint.MaxValue;
        foreach (byte value in data)
            crc = BitOperations.Crc32C(crc, value);
        crc = ~crc;
        return BitOperations.RotateRight(crc, 15) + 0xa282ead8;
    }
}
