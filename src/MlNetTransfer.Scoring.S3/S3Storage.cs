using System.Net;
using System.Runtime.CompilerServices;
using Amazon.Runtime;
using Amazon.S3;
using Amazon.S3.Model;

namespace MlNetTransfer.Scoring.S3;

/// <summary>Amazon S3, and storage that speaks its protocol, as the input of a batch.</summary>
public static class S3Storage
{
    /// <summary>
    /// From now on a batch may be read from s3://bucket/prefix. Credentials and region are found as Amazon's tools find
    /// them: environment, profile, role of the machine; AWS_ENDPOINT_URL_S3 or AWS_ENDPOINT_URL name another server.
    /// </summary>
    public static void Register() => ObjectStores.Add("s3", address => new S3Objects(address, Client()));

    private static AmazonS3Client Client()
    {
        string? endpoint =
            Environment.GetEnvironmentVariable("AWS_ENDPOINT_URL_S3")
            ?? Environment.GetEnvironmentVariable("AWS_ENDPOINT_URL");
        try
        {
            return endpoint is null
                ? new AmazonS3Client()
                : new AmazonS3Client(
                    new AmazonS3Config
                    {
                        ServiceURL = endpoint,
                        // Servers of one's own seldom have a name for each bucket.
                        ForcePathStyle = true,
                        AuthenticationRegion = Environment.GetEnvironmentVariable("AWS_REGION") ?? "us-east-1",
                    }
                );
        }
        catch (AmazonClientException e)
        {
            throw new TransferException(
                $"Object storage cannot be used: {S3Objects.Said(e)}. Set AWS_REGION and credentials as "
                    + "for Amazon's own tools, or AWS_ENDPOINT_URL_S3 for another server.",
                e
            );
        }
    }
}

/// <summary>The objects of a bucket below a prefix, in the order of their keys' bytes.</summary>
internal sealed class S3Objects : IObjectStore
{
    private readonly IAmazonS3 client;
    private readonly string bucket,
        prefix;

    /// <param name="address">s3://bucket/prefix.</param>
    /// <param name="client">The client; disposed with it.</param>
    public S3Objects(Uri address, IAmazonS3 client)
    {
        this.client = client;
        // Keys may have what an address may not: the text is taken as it was written.
        string text = address.OriginalString[(address.Scheme.Length + "://".Length)..];
        (bucket, prefix) = text.Split('/', 2) is [var first, var rest] ? (first, rest) : (text, "");
        if (bucket.Length == 0 || bucket.Any(c => c is not ('-' or '.') && !char.IsAsciiLetterOrDigit(c)))
            throw new TransferException($"'{text}' is no bucket and prefix of S3; expected s3://bucket/prefix.");
    }

    public string Name => $"s3://{bucket}/{prefix}";

    public async IAsyncEnumerable<string> ListAsync(
        string? after,
        [EnumeratorCancellation] CancellationToken cancellation
    )
    {
        var request = new ListObjectsV2Request
        {
            BucketName = bucket,
            Prefix = prefix,
            StartAfter = after,
        };
        while (true)
        {
            ListObjectsV2Response page = await PageAsync(request, cancellation).ConfigureAwait(false);
            foreach (S3Object found in page.S3Objects ?? [])
                yield return found.Key;
            if (page.IsTruncated != true)
                yield break;
            request.ContinuationToken = page.NextContinuationToken;
        }
    }

    public async Task<Stream> OpenAsync(string key, CancellationToken cancellation)
    {
        try
        {
            GetObjectResponse response = await client.GetObjectAsync(bucket, key, cancellation).ConfigureAwait(false);
            return response.ResponseStream;
        }
        catch (AmazonS3Exception e) when (e.StatusCode == HttpStatusCode.NotFound)
        {
            throw new FileNotFoundException("the object is not there any more", e);
        }
        catch (AmazonS3Exception e) when (e.StatusCode == HttpStatusCode.Forbidden)
        {
            throw new UnauthorizedAccessException($"the object may not be read ({e.ErrorCode})", e);
        }
        catch (Exception e) when (e is AmazonClientException or AmazonServiceException)
        {
            throw new IOException(Said(e), e);
        }
    }

    public void Dispose() => client.Dispose();

    /// <summary>What an error says, without the full stop that only some have.</summary>
    public static string Said(Exception e) => e.Message.ReplaceLineEndings(" ").TrimEnd('.', ' ');

    private async Task<ListObjectsV2Response> PageAsync(ListObjectsV2Request request, CancellationToken cancellation)
    {
        try
        {
            return await client.ListObjectsV2Async(request, cancellation).ConfigureAwait(false);
        }
        catch (Exception e) when (e is AmazonClientException or AmazonServiceException or HttpRequestException)
        {
            throw new TransferException(
                $"{Name} cannot be listed: {Said(e)}. Check the bucket's name, AWS_REGION and "
                    + "the credentials. What was scored is kept, and the same command goes on.",
                e
            );
        }
    }
}
