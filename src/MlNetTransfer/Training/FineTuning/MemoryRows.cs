using System.Collections.Concurrent;
using MlNetTransfer.Backbones;

namespace MlNetTransfer.Training;

/// <summary>Rows kept in memory by key, for runs that must not write a cache. Thread-safe.</summary>
internal sealed class MemoryRows : IRowCache
{
    private readonly ConcurrentDictionary<string, float[]> rows = new();

    public bool TryRead(ReadOnlySpan<byte> image, Span<float> row)
    {
        if (!rows.TryGetValue(Convert.ToHexString(image), out float[]? kept))
            return false;
        kept.CopyTo(row);
        return true;
    }

    public void Add(ReadOnlySpan<byte> image, ReadOnlySpan<float> row) =>
        rows.TryAdd(Convert.ToHexString(image), row.ToArray());
}
