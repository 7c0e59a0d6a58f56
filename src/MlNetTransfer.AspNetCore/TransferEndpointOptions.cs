using System.ComponentModel.DataAnnotations;

namespace MlNetTransfer.AspNetCore;

/// <summary>What requests may cost, the same for all models of an application.</summary>
public sealed class TransferEndpointOptions
{
    /// <summary>Bytes of a request's body, in [1, 2 GB]; a larger one is answered with 413. Default 128 MiB.</summary>
    [Range(1L, int.MaxValue)]
    public long MaxRequestBytes { get; set; } = 128L << 20;

    /// <summary>Images of one request, in [1, 10,000]. Default 64.</summary>
    [Range(1, 10_000)]
    public int MaxImages { get; set; } = 64;

    /// <summary>
    /// Bytes of all bodies that are in memory at one time, at least 1 MB; a request beyond is answered with 503 before
    /// it takes memory. Default 1 GiB.
    /// </summary>
    [Range(1_000_000L, long.MaxValue)]
    public long MaxBufferedBytes { get; set; } = 1L << 30;

    /// <summary>
    /// How long a body may take to arrive, in [1 s, 1 h]; a slower one is answered with 408. Default 30 s.
    /// </summary>
    [Range(typeof(TimeSpan), "00:00:01", "01:00:00")]
    public TimeSpan ReadTimeout { get; set; } = TimeSpan.FromSeconds(30);

    /// <summary>What a busy server asks clients to wait, in seconds, in [1, 3600]. Default 1.</summary>
    [Range(1, 3600)]
    public int RetryAfterSeconds { get; set; } = 1;
}
