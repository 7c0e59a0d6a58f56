using System.Collections.Specialized;
using System.Net;
using System.Text;
using System.Web;
using Amazon.Runtime;
using Amazon.S3;
using MlNetTransfer.Scoring.S3;

namespace MlNetTransfer.Tests.Scoring;

/// <summary>
/// Amazon's client against a server that answers as S3 does: pages of a listing, objects, and refusals. A server of
/// others is tried by hand, see decision 024.
/// </summary>
[TestClass]
public sealed class S3StorageTests
{
    [TestMethod]
    public async Task List_Pages_GivesEveryKeyInOrderAndGoesOnBehindOne()
    {
        using var server = new Bucket();
        using S3Objects objects = server.Objects("s3://photos/2026/");
        Assert.AreEqual("s3://photos/2026/", objects.Name);
        string[] all = await objects.ListAsync(null, default).ToArrayAsync();
        CollectionAssert.AreEqual(Bucket.Keys, all);
        Assert.AreEqual("s3://photos/a%20b#3/", server.Objects("s3://photos/a%20b#3/").Name, "as it was written");
        string[] rest = await objects.ListAsync(Bucket.Keys[3], default).ToArrayAsync();
        CollectionAssert.AreEqual(Bucket.Keys[4..], rest);
    }

    [TestMethod]
    public async Task Open_Object_GivesItsBytesOrSaysWhyNot()
    {
        using var server = new Bucket();
        using S3Objects objects = server.Objects("s3://photos/2026/");
        await using Stream stream = await objects.OpenAsync(Bucket.Keys[2], default);
        using var bytes = new MemoryStream();
        await stream.CopyToAsync(bytes);
        Assert.AreEqual(Bucket.Keys[2], Encoding.UTF8.GetString(bytes.ToArray()));
        await Assert.ThrowsExactlyAsync<FileNotFoundException>(() => objects.OpenAsync("2026/gone", default));
        await Assert.ThrowsExactlyAsync<UnauthorizedAccessException>(() => objects.OpenAsync("2026/denied", default));
    }

    [TestMethod]
    public async Task List_BucketThatIsNot_SaysWhatToCheck()
    {
        using var server = new Bucket();
        using S3Objects objects = server.Objects("s3://nobody/");
        TransferException error = await Assert.ThrowsExactlyAsync<TransferException>(async () =>
            await objects.ListAsync(null, default).ToArrayAsync()
        );
        StringAssert.StartsWith(error.Message, "s3://nobody/ cannot be listed: ");
        Assert.ThrowsExactly<TransferException>(() => server.Objects("s3:///2026/"));
    }

    /// <summary>A bucket of seven objects, listed three at a time.</summary>
    private sealed class Bucket : IDisposable
    {
        private const int Page = 3;
        private readonly LoopbackServer server = new(Answer);

        public static string[] Keys { get; } =
        [
            .. ((string[])["a.png", "b c.png", "d&e.png", "f+g.png", "h/i.png", "j.png", "ä.png"]).Select(k =>
                $"2026/{k}"
            ),
        ];

        public S3Objects Objects(string of) =>
            new(
                new Uri(of),
                new AmazonS3Client(
                    new BasicAWSCredentials("key", "secret"),
                    new AmazonS3Config
                    {
                        ServiceURL = server.Address,
                        ForcePathStyle = true,
                        MaxErrorRetry = 0,
                    }
                )
            );

        public void Dispose() => server.Dispose();

        private static void Answer(string path, HttpListenerContext context)
        {
            NameValueCollection query = HttpUtility.ParseQueryString(context.Request.Url!.Query);
            string? key = path.StartsWith("photos/", StringComparison.Ordinal) ? path["photos/".Length..] : null;
            (int code, string body) =
                path.TrimEnd('/') == "photos" && query["list-type"] == "2" ? (200, Listing(query))
                : key == "2026/denied" ? (403, Error("AccessDenied"))
                : key is not null && Keys.Contains(key) ? (200, key)
                : (404, Error(key is null ? "NoSuchBucket" : "NoSuchKey"));
            LoopbackServer.Send(context, code, Encoding.UTF8.GetBytes(body));
        }

        private static string Error(string code) =>
            $"<?xml version=\"1.0\"?><Error><Code>{code}</Code><Message>{code}</Message></Error>";

        private static string Listing(NameValueCollection query)
        {
            string? after = query["continuation-token"] ?? query["start-after"];
            string[] left = Keys[(after is { Length: > 0 } ? Array.IndexOf(Keys, after) + 1 : 0)..];
            string[] page = [.. left.Take(Page)];
            bool isTruncated = left.Length > Page;
            string contents = string.Concat(
                page.Select(key => $"<Contents><Key>{WebUtility.HtmlEncode(key)}</Key><Size>1</Size></Contents>")
            );
            string next = isTruncated
                ? $"<NextContinuationToken>{WebUtility.HtmlEncode(page[^1])}</NextContinuationToken>"
                : "";
            return "<?xml version=\"1.0\" encoding=\"UTF-8\"?>"
                + "<ListBucketResult xmlns=\"http://s3.amazonaws.com/doc/2006-03-01/\"><Name>photos</Name>"
                + $"<IsTruncated>{(isTruncated ? "true" : "false")}</IsTruncated>{contents}{next}</ListBucketResult>";
        }
    }
}
