using System.Text.Json;
using MlNetTransfer.Tests.Shared;
using MlNetTransfer.Training;

namespace MlNetTransfer.Tests.Training;

[TestClass]
public sealed class EpochLogsTests
{
    // TFRecord frames and protobuf fields read after their specifications, CRC-32C bit by bit.
    private const string Reader = """
        import sys, json, struct
        def crc(data):
            c = 0xffffffff
            for b in data:
                c ^= b
                for _ in range(8): c = (c >> 1) ^ (0x82f63b78 if c & 1 else 0)
            c ^= 0xffffffff
            return (((c >> 15) | (c << 17)) + 0xa282ead8) & 0xffffffff
        def varint(d, i):
            v = s = 0
            while True:
                v |= (d[i] & 127) << s; s += 7; i += 1
                if d[i-1] < 128: return v, i
        def fields(d):
            i = 0; out = []
            while i < len(d):
                k, i = varint(d, i); n, t = k >> 3, k & 7
                if t == 0: v, i = varint(d, i)
                elif t == 1: v, i = struct.unpack('<d', d[i:i+8])[0], i+8
                elif t == 5: v, i = struct.unpack('<f', d[i:i+4])[0], i+4
                else:
                    l, i = varint(d, i); v, i = d[i:i+l], i+l
                out.append((n, v))
            return out
        d = open(sys.argv[1], 'rb').read(); i = 0; r = []
        while i < len(d):
            head = d[i:i+8]; n = struct.unpack('<Q', head)[0]; body = d[i+12:i+12+n]
            assert struct.unpack('<I', d[i+8:i+12])[0] == crc(head)
            assert struct.unpack('<I', d[i+12+n:i+16+n])[0] == crc(body)
            e = dict(fields(body)); i += 16 + n
            row = dict(step=e.get(2, 0), time=e[1])
            if 3 in e: row['version'] = e[3].decode()
            if 5 in e:
                v = dict(fields(dict(fields(e[5]))[1])); row['tag'] = v[1].decode(); row['value'] = v[2]
            r.append(row)
        json.dump(r, sys.stdout)
        """;

    [TestMethod]
    public void Add_Epochs_AreEventsThatAnotherReaderReadsAndLinesOfCsv()
    {
        Python.Require("json");
        using var folder = new TempFolder();
        var logs = new EpochLogs(folder.Path, LogFormats.Csv | LogFormats.TensorBoard, TimeProvider.System);
        List<EpochResult> epochs = [];
        for (int epoch = 0; epoch < 3; epoch++)
        {
            epochs.Add(Epoch(1, epoch));
            logs.Add(epochs);
        }

        epochs.Add(Epoch(2, 1));
        logs.Add(epochs);
        JsonElement[] events = Events(folder, "fold-1");
        Assert.AreEqual("brain.Event:2", events[0].GetProperty("version").GetString());
        JsonElement[] losses = [.. events.Where(e => Tag(e) == "loss/validation")];
        CollectionAssert.AreEqual(
            new[] { (0, 0.5f), (1, 0.75f), (2, 1f) },
            losses.Select(e => (e.GetProperty("step").GetInt32(), e.GetProperty("value").GetSingle())).ToArray()
        );
        Assert.HasCount(2, events.Where(e => Tag(e) == "loss/training").ToArray(), "the head before has none");
        Assert.HasCount(2, events.Where(e => Tag(e) == "learning-rate/block 8").ToArray());
        Assert.IsLessThan(
            60,
            Math.Abs(events[0].GetProperty("time").GetDouble() - DateTimeOffset.UtcNow.ToUnixTimeSeconds())
        );
        Assert.IsTrue(Events(folder, "fold-2").Any(e => Tag(e) == "loss/training"));

        string[] lines = File.ReadAllLines(folder.File("metrics.csv"));
        Assert.AreEqual(
            "fold,refit,stage,epoch,step,trainLoss,validationLoss,validationAccuracy,learningRate,seconds",
            lines[0]
        );
        Assert.AreEqual("1,false,blocks 8 to 9,2,20,0.25,1,0.5,0.001,1.5", lines[3]);
        Assert.HasCount(5, lines);
    }

    [TestMethod]
    public void Add_AfterAnInterruption_BeginsWithWhatTheLedgerHas()
    {
        using var folder = new TempFolder();
        new EpochLogs(folder.Path, LogFormats.Csv, TimeProvider.System).Add([Epoch(1, 0), Epoch(1, 1)]);
        var again = new EpochLogs(folder.Path, LogFormats.Csv, TimeProvider.System);
        again.Add([Epoch(1, 0), Epoch(1, 1)]);
        again.Add([Epoch(1, 0), Epoch(1, 1), Epoch(1, 2)]);
        Assert.HasCount(4, File.ReadAllLines(folder.File("metrics.csv")), "nothing is there twice");
    }

    private static string? Tag(JsonElement e) => e.TryGetProperty("tag", out JsonElement tag) ? tag.GetString() : null;

    private static JsonElement[] Events(TempFolder folder, string fold) =>
        [
            .. JsonSerializer
                .Deserialize<JsonElement>(
                    Python.Run(
                        Reader,
                        Directory.GetFiles(folder.File($"logs/{fold}"), "events.out.tfevents.*").Single()
                    )
                )
                .EnumerateArray(),
        ];

    private static EpochResult Epoch(int fold, int epoch) =>
        new()
        {
            Fold = fold,
            Stage = epoch == 0 ? "head" : "blocks 8 to 9",
            Epoch = epoch,
            Step = 10 * epoch,
            TrainLoss = epoch == 0 ? null : 0.25,
            ValidationLoss = 0.5 + 0.25 * epoch,
            ValidationAccuracy = 0.5,
            LearningRates =
                epoch == 0
                    ? new Dictionary<string, double>()
                    : new Dictionary<string, double> { ["head"] = 3e-5, ["block 8"] = 1e-3 },
            Seconds = 1.5,
        };
}
