using System.Net;
using System.Net.Http.Headers;
using MlNetTransfer.Imaging;
using Polly;
using Polly.Retry;

namespace MlNetTransfer.Scoring.Remote;

/// <summary>
/// Fetches images from object storage and from the web, many at once, the latter from hosts that were named and no
/// others; a server that is busy or away for some seconds is asked again.
/// </summary>
internal sealed class RemoteImages : IDisposable
{
    /// <summary>Images that are fetched at once.</summary>
    private const int AtOnce = 32;

    private const int MostRedirects = 5;

    /// <summary>Images in a row of which nobody says anything, after which it is not the images.</summary>
    private const int MostAway = 8;

    /// <summary>Bytes of a segment that are held; what is beyond is fetched again when it is scored.</summary>
    private const long MostHeld = 64 << 20;

    private static readonly TimeSpan EachTry = TimeSpan.FromSeconds(60),
        LongestPause = TimeSpan.FromSeconds(30);

    private readonly HttpClient client;
    private readonly IReadOnlyList<AllowedHost> hosts;
    private readonly ImageLimits limits;
    private readonly ResiliencePipeline<Answer> pipeline;
    private int awayBefore;

    /// <param name="hosts">Where images may be fetched from.</param>
    /// <param name="limits">The largest image.</param>
    /// <param name="firstPause">The pause before the second try, which doubles.</param>
    public RemoteImages(IReadOnlyList<string> hosts, ImageLimits limits, TimeSpan? firstPause = null)
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
    /// <param name="segment">The inputs; those that are not remote stay as they are.</param>
    /// <param name="cancellation">Ends it.</param>
    /// <exception cref="TransferException">Of many images no server said anything: that is no fault of theirs.
    /// </exception>
    public IReadOnlyList<ScoreInput> Fetch(IReadOnlyList<ScoreInput> segment, CancellationToken cancellation)
    {
        int[] remote = [.. Enumerable.Range(0, segment.Count).Where(i => segment[i].IsRemote)];
        if (remote.Length == 0)
            return segment;
        ScoreInput[] found = [.. segment];
        int away = 0;
        long held = 0;
        string? reason = null;
        Parallel
            .ForEachAsync(
                remote,
                new ParallelOptions { MaxDegreeOfParallelism = AtOnce, CancellationToken = cancellation },
                async (i, token) =>
                {
                    Answer answer = await TryAsync(segment[i], token).ConfigureAwait(false);
                    found[i] = segment[i] with { Location = Located(answer, i), Fault = answer.Fault };
                    if (!answer.IsAway)
                        return;
                    reason = $"{segment[i].Key}: {answer.Fault}";
                    Interlocked.Increment(ref away);
                }
            )
            .GetAwaiter()
            .GetResult();
        // Segments may be of one image each.
        awayBefore = away == 0 || (away < remote.Length && away < MostAway) ? 0 : awayBefore + away;
        return awayBefore < MostAway
            ? found
            : throw new TransferException(
                $"Of {awayBefore} images nobody says anything, the last one {reason}. Rows that were written are safe: "
                    + "run the same command again when the server is back, and it goes on; or leave it out of "
                    + "--hosts, and each of its images gets a row with an error."
            );

        Datasets.ItemLocation? Located(Answer answer, int i)
        {
            if (answer.Bytes is not { } bytes)
                return null;
            return Interlocked.Add(ref held, bytes.Length) <= MostHeld
                ? new Datasets.MemoryLocation(bytes)
                : new Datasets.StreamLocation(() => Again(segment[i], cancellation));
        }
    }

    private MemoryStream Again(ScoreInput input, CancellationToken cancellation)
    {
        Answer answer = TryAsync(input, cancellation).AsTask().GetAwaiter().GetResult();
        return answer.Bytes is { } bytes ? new MemoryStream(bytes.ToArray()) : throw new IOException(answer.Fault);
    }

    private ValueTask<Answer> TryAsync(ScoreInput input, CancellationToken cancellation) =>
        pipeline.ExecuteAsync(async token => await AskAsync(input, token).ConfigureAwait(false), cancellation);

    /// <inheritdoc/>
    public void Dispose() => client.Dispose();

    private async Task<Answer> AskAsync(ScoreInput input, CancellationToken cancellation)
    {
        using var limit = CancellationTokenSource.CreateLinkedTokenSource(cancellation);
        limit.CancelAfter(EachTry);
        try
        {
            if (input.Open is not { } open)
                return await AskAsync(input.Address!, limit.Token).ConfigureAwait(false);
            Stream stream = await open(limit.Token).ConfigureAwait(false);
            await using (stream.ConfigureAwait(false))
                return await ReadAsync(stream, limit.Token).ConfigureAwait(false);
        }
        catch (Exception e) when (e is FileNotFoundException or UnauthorizedAccessException)
        {
            return new Answer { Fault = e.Message.ReplaceLineEndings(" ") };
        }
        catch (Exception e) when (e is HttpRequestException or IOException)
        {
            return Away($"cannot be reached: {e.Message.ReplaceLineEndings(" ")}");
        }
        catch (OperationCanceledException) when (!cancellation.IsCancellationRequested)
        {
            return Away(FormattableString.Invariant($"no answer in {EachTry.TotalSeconds:f0} s"));
        }
        catch (Exception e) when (e is not (OperationCanceledException or OutOfMemoryException))
        {
            // An address that cannot be asked for at all, or a storage that fails otherwise.
            return new Answer { Fault = $"cannot be fetched: {e.Message.ReplaceLineEndings(" ")}" };
        }

        static Answer Away(string fault) =>
            new()
            {
                Fault = fault,
                MayPass = true,
                IsAway = true,
            };
    }

    private async Task<Answer> AskAsync(Uri address, CancellationToken cancellation)
    {
        for (int redirects = 0; redirects <= MostRedirects; redirects++)
        {
            if (WebAddress.Refused(address, hosts) is { } refused)
                return new Answer { Fault = redirects == 0 ? refused : $"leads to another address: {refused}" };
            using HttpResponseMessage response = await client
                .GetAsync(address, HttpCompletionOption.ResponseHeadersRead, cancellation)
                .ConfigureAwait(false);
            if ((int)response.StatusCode is < 300 or >= 400 || response.Headers.Location is not { } next)
                return await AnswerAsync(response, cancellation).ConfigureAwait(false);
            address = new Uri(address, next);
        }

        return new Answer { Fault = $"leads to another address more than {MostRedirects} times" };
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
                IsAway = code is 429 or 502 or 503 or 504,
                Pause = pause is { } asked ? (asked < LongestPause ? asked : LongestPause) : null,
            };
        }

        if (response.Content.Headers.ContentLength is { } length && length > limits.MaxBytes)
            return TooLong(FormattableString.Invariant($"{length:N0}"));
        Stream stream = await response.Content.ReadAsStreamAsync(cancellation).ConfigureAwait(false);
        await using (stream.ConfigureAwait(false))
            return await ReadAsync(stream, cancellation).ConfigureAwait(false);
    }

    private async Task<Answer> ReadAsync(Stream stream, CancellationToken cancellation)
    {
        using var bytes = new MemoryStream();
        byte[] buffer = new byte[1 << 16];
        while (await stream.ReadAsync(buffer, cancellation).ConfigureAwait(false) is var read and > 0)
        {
            bytes.Write(buffer, 0, read);
            if (bytes.Length > limits.MaxBytes)
                return TooLong("more");
        }

        return new Answer { Bytes = bytes.GetBuffer().AsMemory(0, (int)bytes.Length) };
    }

    private Answer TooLong(string bytes) =>
        new() { Fault = FormattableString.Invariant($"has {bytes} bytes; at most {limits.MaxBytes:N0} are read") };

    /// <summary>What came of asking once.</summary>
    private sealed record Answer
    {
        public ReadOnlyMemory<byte>? Bytes { get; init; }

        public string? Fault { get; init; }

        /// <summary>Whether it may be otherwise in a while.</summary>
        public bool MayPass { get; init; }

        /// <summary>Whether nothing was said about the image.</summary>
        public bool IsAway { get; init; }

        /// <summary>How long the server asks to wait.</summary>
        public TimeSpan? Pause { get; init; }
    }
}
