using System.Globalization;
using System.Text.Json;
using MlNetTransfer.Onnx;
using MlNetTransfer.Onnx.Weights;

namespace MlNetTransfer.Training;

/// <summary>
/// A <see cref="TuneState"/> on disk, as a safetensors file that is replaced whole after every epoch.
/// </summary>
/// <param name="path">The file; null to keep nothing.</param>
/// <param name="key">Names all that the training depends on: another run's checkpoint is never taken.</param>
internal sealed class TuneCheckpoint(string? path, string key)
{
    private const string Start = "start/",
        Best = "best/",
        Last = "last/",
        Session = "session";

    /// <summary>Replaces the file.</summary>
    public void Save(TuneState state)
    {
        if (path is null)
            return;
        Dictionary<string, SafeTensor> tensors = [];
        foreach ((string name, float[] values) in state.Start.Values)
            tensors[Start + name] = SafeTensor.Of(values, values.Length);
        foreach ((string name, float[] values) in state.Best.Values)
            tensors[Best + name] = SafeTensor.Of(values, values.Length);
        foreach ((string name, float[] values) in state.Last?.Values ?? new Dictionary<string, float[]>())
            tensors[Last + name] = SafeTensor.Of(values, values.Length);
        if (state.Session.Length > 0)
            tensors[Session] = new SafeTensor(SafeTensorType.U8, [state.Session.Length], state.Session);
        var text = JsonSerializer.Serialize(
            new Counters(
                state.Stage,
                state.Epoch,
                state.StageSteps,
                state.Steps,
                state.Waited,
                state.LowestLoss.ToString("r", CultureInfo.InvariantCulture),
                state.BestEpoch,
                state.BestLoss.ToString("r", CultureInfo.InvariantCulture),
                state.Ended,
                state.IsDone
            )
        );
        Directory.CreateDirectory(Path.GetDirectoryName(Path.GetFullPath(path))!);
        new SafetensorsFile(tensors, new Dictionary<string, string> { ["key"] = key, ["state"] = text }).Save(path);
    }

    /// <summary>What was saved; null where there is nothing.</summary>
    /// <exception cref="TransferException">The file belongs to a run with other images or options, or is
    /// damaged.</exception>
    public TuneState? Load()
    {
        if (path is null || !File.Exists(path))
            return null;
        try
        {
            SafetensorsFile file = SafetensorsFile.Load(path);
            if (file.Metadata.GetValueOrDefault("key") != key)
                throw new TransferException(
                    $"'{path}' is the checkpoint of a run with other images or options, so it cannot be resumed by "
                        + $"this one. Give the options of that run, or train without --resume."
                );
            Counters counters = JsonSerializer.Deserialize<Counters>(file.Metadata["state"])!;
            return new TuneState
            {
                Stage = counters.Stage,
                Epoch = counters.Epoch,
                StageSteps = counters.StageSteps,
                Steps = counters.Steps,
                Waited = counters.Waited,
                LowestLoss = double.Parse(counters.LowestLoss, CultureInfo.InvariantCulture),
                BestEpoch = counters.BestEpoch,
                BestLoss = double.Parse(counters.BestLoss, CultureInfo.InvariantCulture),
                Ended = counters.Ended,
                IsDone = counters.IsDone,
                Start = Weights(file, Start),
                Best = Weights(file, Best),
                Last = Weights(file, Last) is { Values.Count: > 0 } last ? last : null,
                Session = file.Tensors.TryGetValue(Session, out SafeTensor? session) ? session.Data.ToArray() : [],
            };
        }
        catch (Exception cause)
            when (cause is GraphException or KeyNotFoundException or JsonException or FormatException)
        {
            throw new TransferException(
                $"The checkpoint '{path}' cannot be read: {cause.Message} Delete it, or train without --resume.",
                cause
            );
        }
    }

    /// <summary>Removes the file: its training has been written as a model.</summary>
    public void Delete()
    {
        if (path is not null)
            File.Delete(path);
    }

    private static NetworkWeights Weights(SafetensorsFile file, string prefix) =>
        new(
            file.Tensors.Where(t => t.Key.StartsWith(prefix, StringComparison.Ordinal))
                .ToDictionary(t => t.Key[prefix.Length..], t => t.Value.ToFloats())
        );

    private sealed record Counters(
        int Stage,
        int Epoch,
        long StageSteps,
        long Steps,
        int Waited,
        string LowestLoss,
        int BestEpoch,
        string BestLoss,
        string? Ended,
        bool IsDone
    );
}
