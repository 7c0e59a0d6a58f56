using System.Net;
using System.Net.Http.Headers;
using MlNetTransfer.Imaging;
using Polly;
using Polly.Retry;

namespace MlNetTransfer.Scoring.Remote;

/// <summary>
/// Fetches images from the web, many at once, from hosts that were named and no others; a server that is busy or away
/// for some seconds is asked again.
/// </summary>
internal sealed class WebImages : IDisposable
{
    /// <summary>Images that are fetched at once.</summary>
    private const int AtOnce = 32;

    private const int MostRedirects = 5;

    private static readonly TimeSpan EachTry = TimeSpan.FromSeconds(60),
        LongestPause = TimeSpan.FromSeconds(30);

    private readonly HttpClient client;
    private readonly IReadOnlyList<AllowedHost> hosts;
    private readonly ImageLimits limits;
    private readonly ResiliencePipeline<Answer> pipeline;

    /// <param name="hosts">Where images may be fetched from.</param>
    /// <param name="limits">The largest image.</param>
    /// <param name="firstPause">The pause before the second try, which doubles.</param>
    public WebImages(IReadOnlyList<string> hosts, ImageLimits limits, TimeSpan? firstPause = null)
    {
        (this.hosts, this.limits) = ([.. hosts.Select(AllowedHost.Of)], limits);
        client = new HttpClient(
            new SocketsHttpHandler
            {
                // Each address that is gone to is looked at, so none is followed unseen.
                AllowAutoRedirect = false,
                UseCookies = false,
                ConnectTimeout = TimeSpan.FromSeconds(15),
                MaxConnectionsPerServer = AtOnce,
                PooledConnectionLifetime = TimeSpan.FromMinutes(5),
                AutomaticDecompression = DecompressionMethods.None,
            }
        )
        {
            Timeout = Timeout.InfiniteTimeSpan,
        };
        client.DefaultRequestHeaders.UserAgent.Add(
            new ProductInfoHeaderValue("mlnet-transfer", ProductVersion.OfPackage)
        );
        pipeline = new ResiliencePipelineBuilder<Answer>()
            .AddRetry(
                new RetryStrategyOptions<Answer>
                {
                    ShouldHandle = arguments => ValueTask.FromResult(arguments.Outcome.Result is { MayPass: true }),
                    MaxRetryAttempts = 5,
                    BackoffType = DelayBackoffType.Exponential,
                    UseJitter = true,
                    Delay = firstPause ?? TimeSpan.FromMilliseconds(500),
                    MaxDelay = LongestPause,
                    DelayGenerator = arguments => ValueTask.FromResult(arguments.Outcome.Result?.Pause),
                }
            )
            .Build();
    }

    /// <summary>The inputs with what their addresses have, or why that cannot be had.</summary>
    /// <param name="segment">The inputs; those without an address stay as they are.</param>
    /// <param name="cancellation">Ends it.</param>
    /// <exception cref="TransferException">No server answered at all: that is no fault of the images.</exception>
    public IReadOnlyList<ScoreInput> Fetch(IReadOnlyList<ScoreInput> segment, CancellationToken cancellation)
    {
        int[] remote = [.. Enumerable.Range(0, segment.Count).Where(i => segment[i].Address is not null)];
        if (remote.Length == 0)
            return segment;
        ScoreInput[] found = [.. segment];
        int away = 0;
        string? reason = null;
        Parallel
            .ForEachAsync(
                remote,
                new ParallelOptions { MaxDegreeOfParallelism = AtOnce, CancellationToken = cancellation },
                async (i, token) =>
                {
                    Answer answer = await pipeline
                        .ExecuteAsync(
                            async inner => await AskAsync(segment[i].Address!, inner).ConfigureAwait(false),
                            token
                        )
                        .ConfigureAwait(false);
                    found[i] = segment[i] with
                    {
                        Location = answer.Bytes is { } bytes ? new Datasets.MemoryLocation(bytes) : null,
                        Fault = answer.Fault,
                    };
                    if (!answer.IsAway)
                        return;
                    reason = $"{segment[i].Address!.Authority}: {answer.Fault}";
                    Interlocked.Increment(ref away);
                }
            )
            .GetAwaiter()
            .GetResult();
        return away < remote.Length
            ? found
            : throw new TransferException(
                $"None of {remote.Length} images could be fetched, the last one from {reason}. Rows that were written "
                    + "are safe: run the same command again when the network is back, and it goes on."
            );
    }

    /// <inheritdoc/>
    public void Dispose() => client.Dispose();

    private async Task<Answer> AskAsync(Uri address, CancellationToken cancellation)
    {
        using var limit = CancellationTokenSource.CreateLinkedTokenSource(cancellation);
        limit.CancelAfter(EachTry);
        try
        {
            for (int redirects = 0; redirects <= MostRedirects; redirects++)
            {
                if (WebAddress.Refused(address, hosts) is { } refused)
                    return new Answer { Fault = redirects == 0 ? refused : $"leads to another address: {refused}" };
                using HttpResponseMessage response = await client
                    .GetAsync(address, HttpCompletionOption.ResponseHeadersRead, limit.Token)
                    .ConfigureAwait(false);
                if ((int)response.StatusCode is >= 300 and < 400 && response.Headers.Location is { } next)
                    address = new Uri(address, next);
                else
                    return await AnswerAsync(response, limit.Token).ConfigureAwait(false);
            }

            return new Answer { Fault = $"leads to another address more than {MostRedirects} times" };
        }
        catch (Exception e) when (e is HttpRequestException or IOException)
        {
            return new Answer
            {
                Fault = $"the server cannot be reached: {e.Message.ReplaceLineEndings(" ")}",
                MayPass = true,
                IsAway = true,
            };
        }
        catch (OperationCanceledException) when (!cancellation.IsCancellationRequested)
        {
            return new Answer
            {
                Fault = FormattableString.Invariant($"the server has not answered in {EachTry.TotalSeconds:f0} s"),
                MayPass = true,
                IsAway = true,
            };
        }
    }

    private async Task<Answer> AnswerAsync(HttpResponseMessage response, CancellationToken cancellation)
    {
        int code = (int)response.StatusCode;
        if (code != 200)
        {
            bool mayPass = code is 408 or 425 or 429 or >= 500;
            TimeSpan? pause = response.Headers.RetryAfter?.Delta;
            return new Answer
            {
                Fault = FormattableString.Invariant($"the server answers {code} ({response.ReasonPhrase})"),
                MayPass = mayPass,
                IsAway = code is >= 500,
                Pause = pause is { } asked ? (asked < LongestPause ? asked : LongestPause) : null,
            };
        }

        long most = limits.MaxBytes;
        if (response.Content.Headers.ContentLength is { } length && length > most)
            return TooLong(length);
        Stream stream = await response.Content.ReadAsStreamAsync(cancellation).ConfigureAwait(false);
        await using (stream.ConfigureAwait(false))
        {
            using var bytes = new MemoryStream();
            byte[] buffer = new byte[1 << 16];
            while (await stream.ReadAsync(buffer, cancellation).ConfigureAwait(false) is var read and > 0)
            {
                bytes.Write(buffer, 0, read);
                if (bytes.Length > most)
                    return TooLong(null);
            }

            return new Answer { Bytes = bytes.ToArray() };
        }

        Answer TooLong(long? length) =>
            new()
            {
                Fault = FormattableString.Invariant(
                    $"has {(length is { } said ? $"{said:N0}" : "more")} bytes; at most {most:N0} are read"
                ),
            };
    }

    /// <summary>What came of asking once.</summary>
    private sealed record Answer
    {
        public byte[]? Bytes { get; init; }

        public string? Fault { get; init; }

        /// <summary>Whether it may be otherwise in a while.</summary>
        public bool MayPass { get; init; }

        /// <summary>Whether nothing was said about the image.</summary>
        public bool IsAway { get; init; }

        /// <summary>How long the server asks to wait.</summary>
        public TimeSpan? Pause { get; init; }
    }
}
