using System.Net;
using System.Security.Cryptography;

namespace MlNetTransfer.Backbones;

/// <summary>
/// Fetches a model from an http or https address. What arrives is used only where its SHA-256 is the one asked for.
/// </summary>
internal static class ModelDownload
{
    /// <param name="source">The address.</param>
    /// <param name="sha256">The SHA-256 it must have, lower-case.</param>
    /// <param name="file">Where it is written.</param>
    /// <param name="limits">What it may cost.</param>
    /// <param name="progress">Told after every piece.</param>
    /// <param name="cancellation">Ends the download.</param>
    public static void Fetch(
        Uri source,
        string sha256,
        string file,
        DownloadLimits limits,
        IProgress<JobProgress>? progress,
        CancellationToken cancellation
    )
    {
        using var stalled = CancellationTokenSource.CreateLinkedTokenSource(cancellation);
        try
        {
            string found = FetchAsync(source, file, limits, progress, stalled).GetAwaiter().GetResult();
            if (found != sha256)
                throw new TransferException(
                    $"{Shown(source)} has SHA-256 {found}; {sha256} was asked for. It is another file, or was "
                        + $"changed on the way. It was not used."
                );
        }
        catch (Exception cause) when (cause is OperationCanceledException or HttpRequestException or IOException)
        {
            cancellation.ThrowIfCancellationRequested();
            string what =
                stalled.IsCancellationRequested || cause is TaskCanceledException
                    ? FormattableString.Invariant(
                        $"did not answer, or sent nothing, for {limits.Stall.TotalSeconds:g3} seconds"
                    )
                    : $"could not be fetched ({cause.Message})";
            throw new TransferException(
                $"{Shown(source)} {what}. Try again, or fetch it another way and add the file.",
                cause
            );
        }
    }

    /// <summary>The address without what may be secret: user, password and query.</summary>
    public static string Shown(Uri address) =>
        address.GetComponents(UriComponents.SchemeAndServer | UriComponents.Path, UriFormat.UriEscaped);

    private static async Task<string> FetchAsync(
        Uri source,
        string file,
        DownloadLimits limits,
        IProgress<JobProgress>? progress,
        CancellationTokenSource stalled
    )
    {
        using var handler = new SocketsHttpHandler
        {
            AllowAutoRedirect = false,
            AutomaticDecompression = DecompressionMethods.None,
        };
        using var client = new HttpClient(handler) { Timeout = Timeout.InfiniteTimeSpan };
        using HttpResponseMessage response = await FollowAsync(client, source, limits, stalled).ConfigureAwait(false);
        if (!response.IsSuccessStatusCode)
            throw new TransferException(
                $"{Shown(source)} answered {(int)response.StatusCode} ({response.StatusCode}); expected the file. "
                    + $"Check the address."
            );
        long total = response.Content.Headers.ContentLength ?? 0;
        if (total > limits.MaxBytes)
            throw TooLarge(source, $"{total:N0}", limits);
        Stream body = await response.Content.ReadAsStreamAsync(stalled.Token).ConfigureAwait(false);
        await using (body.ConfigureAwait(false))
        {
            var target = new FileStream(file, FileMode.CreateNew, FileAccess.Write, FileShare.None);
            await using (target.ConfigureAwait(false))
                return await CopyAsync(body, target, source, total, limits, progress, stalled).ConfigureAwait(false);
        }
    }

    private static async Task<HttpResponseMessage> FollowAsync(
        HttpClient client,
        Uri source,
        DownloadLimits limits,
        CancellationTokenSource stalled
    )
    {
        Uri at = source;
        for (int redirects = 0; ; redirects++)
        {
            stalled.CancelAfter(limits.Stall);
            HttpResponseMessage response = await client
                .GetAsync(at, HttpCompletionOption.ResponseHeadersRead, stalled.Token)
                .ConfigureAwait(false);
            if (
                (int)response.StatusCode is not (301 or 302 or 303 or 307 or 308)
                || response.Headers.Location is not { } next
            )
                return response;
            response.Dispose();
            if (redirects == limits.MaxRedirects)
                throw new TransferException(
                    $"{Shown(source)} redirects more than {limits.MaxRedirects} times. Give the address of the file "
                        + $"itself."
                );
            next = new Uri(at, next);
            if (
                next.Scheme != Uri.UriSchemeHttps
                && !(next.Scheme == Uri.UriSchemeHttp && at.Scheme == Uri.UriSchemeHttp)
            )
                throw new TransferException(
                    $"{Shown(source)} redirects from {at.Scheme} to {next.Scheme}, which is refused. Give the "
                        + $"address of the file itself."
                );
            at = next;
        }
    }

    private static async Task<string> CopyAsync(
        Stream body,
        FileStream target,
        Uri source,
        long total,
        DownloadLimits limits,
        IProgress<JobProgress>? progress,
        CancellationTokenSource stalled
    )
    {
        using var hash = IncrementalHash.CreateHash(HashAlgorithmName.SHA256);
        byte[] buffer = new byte[1 << 17];
        for (long done = 0; ; )
        {
            stalled.CancelAfter(limits.Stall);
            int read = await body.ReadAsync(buffer, stalled.Token).ConfigureAwait(false);
            if (read == 0)
                return Convert.ToHexStringLower(hash.GetHashAndReset());
            if ((done += read) > limits.MaxBytes)
                throw TooLarge(source, $"more than {limits.MaxBytes:N0}", limits);
            hash.AppendData(buffer, 0, read);
            await target.WriteAsync(buffer.AsMemory(0, read), stalled.Token).ConfigureAwait(false);
            progress?.Report(new JobProgress("Fetching the model", done, total));
        }
    }

    private static TransferException TooLarge(Uri source, string bytes, DownloadLimits limits) =>
        new($"{Shown(source)} has {bytes} bytes; at most {limits.MaxBytes:N0} are allowed. It was not used.");
}

/// <summary>What a download may cost. Immutable.</summary>
public sealed record DownloadLimits
{
    /// <summary>Largest file in bytes; in [1, 2³¹-1]. Default 2 GiB - 1 MiB, the largest ONNX file.</summary>
    public int MaxBytes
    {
        get;
        init => field = Check.InRange(value, 1, int.MaxValue);
    } = int.MaxValue - (1 << 20);

    /// <summary>Longest time without an answer or a byte, in (0 s, 1 h]. Default 30 s.</summary>
    public TimeSpan Stall
    {
        get;
        init =>
            field =
                value > TimeSpan.Zero && value <= TimeSpan.FromHours(1)
                    ? value
                    : throw new ArgumentOutOfRangeException(
                        nameof(Stall),
                        value,
                        "Stall must be above 0 and at most an hour."
                    );
    } = TimeSpan.FromSeconds(30);

    /// <summary>Most redirects followed; in [0, 20]. Default 5.</summary>
    public int MaxRedirects
    {
        get;
        init => field = Check.InRange(value, 0, 20);
    } = 5;
}
