using System.Globalization;
using System.Text.Json;
using Microsoft.AspNetCore.WebUtilities;
using Microsoft.Net.Http.Headers;
using MlNetTransfer.Hosting;

namespace MlNetTransfer.AspNetCore;

/// <summary>
/// The images of a request: its body itself, the parts of a form, or base64 in JSON; and what it wants of the answer.
/// </summary>
internal sealed class RequestImages : IDisposable
{
    private readonly TransferEndpointOptions options;
    private readonly BodyBudget budget;
    private readonly List<(string? Name, GrowingBytes Bytes)> images = [];

    private RequestImages(TransferEndpointOptions options, BodyBudget budget) =>
        (this.options, this.budget) = (options, budget);

    /// <summary>The images, with the names they were sent with.</summary>
    public IReadOnlyList<(string? Name, GrowingBytes Bytes)> Images => images;

    /// <summary>What the request wants of the answer.</summary>
    public PredictionWishes Wishes { get; private set; } = new();

    /// <summary>Whether the body was one image.</summary>
    public bool IsBody { get; private set; }

    /// <summary>Reads a request.</summary>
    /// <exception cref="RequestException">It cannot be used.</exception>
    /// <exception cref="BadHttpRequestException">It breaks off, or is too large for the server.</exception>
    public static async Task<RequestImages> ReadAsync(
        HttpRequest request,
        TransferEndpointOptions options,
        BodyBudget budget,
        CancellationToken cancellation
    )
    {
        RequestImages read = new(options, budget);
        try
        {
            if (request.ContentLength > options.MaxRequestBytes)
                throw read.TooLarge();
            foreach ((string key, Microsoft.Extensions.Primitives.StringValues value) in request.Query)
                read.Wish(key, value.ToString());
            string type = request.ContentType ?? "";
            if (type.StartsWith("multipart/", StringComparison.OrdinalIgnoreCase))
                await read.FormAsync(request, cancellation).ConfigureAwait(false);
            else if (MediaTypeHeaderValue.TryParse(type, out MediaTypeHeaderValue? media) && IsJson(media))
                await read.JsonAsync(request, cancellation).ConfigureAwait(false);
            else
                await read.BodyAsync(request, cancellation).ConfigureAwait(false);
            return read;
        }
        catch
        {
            read.Dispose();
            throw;
        }
    }

    public void Dispose()
    {
        foreach ((_, GrowingBytes bytes) in images)
            bytes.Dispose();
        images.Clear();
    }

    private static bool IsJson(MediaTypeHeaderValue media) =>
        media.MediaType.Equals("application/json", StringComparison.OrdinalIgnoreCase)
        || media.Suffix.Equals("json", StringComparison.OrdinalIgnoreCase);

    private RequestException TooLarge() =>
        new(
            StatusCodes.Status413PayloadTooLarge,
            FormattableString.Invariant(
                $"The body of the request has more than {options.MaxRequestBytes} bytes, which is the limit. Send fewer or smaller images."
            )
        );

    private static RequestException Wrong(string message, Exception? inner = null) =>
        new(StatusCodes.Status400BadRequest, message, inner);

    /// <summary>
    /// The body is the image, whatever its content type says: that of curl's --data-binary is a form's.
    /// </summary>
    private async Task BodyAsync(HttpRequest request, CancellationToken cancellation)
    {
        GrowingBytes body = Add(null, Expected(request));
        await body.ReadAsync(request.Body, options.MaxRequestBytes, TooLarge, cancellation).ConfigureAwait(false);
        if (body.Read.IsEmpty)
            throw Wrong(
                "The request has no body. Send an image as the body, images as files of a form, or JSON with "
                    + "\"images\"."
            );
        IsBody = true;
    }

    /// <summary>A known length is taken at once, up to a megabyte; more must have come first.</summary>
    private static int Expected(HttpRequest request) =>
        request.ContentLength is { } length ? (int)Math.Min(length + 1, 1 << 20) : 64 << 10;

    /// <summary>Every part is an image, but those that are named as a wish.</summary>
    private async Task FormAsync(HttpRequest request, CancellationToken cancellation)
    {
        string? boundary = MediaTypeHeaderValue.TryParse(request.ContentType, out MediaTypeHeaderValue? media)
            ? HeaderUtilities.RemoveQuotes(media.Boundary).Value
            : null;
        if (string.IsNullOrEmpty(boundary) || boundary.Length > 200)
            throw Wrong(
                $"The content type '{Short(request.ContentType!)}' has no boundary. Leave the content type of a form to the client."
            );
        MultipartReader reader = new(boundary, request.Body);
        long left = options.MaxRequestBytes;
        try
        {
            while (await reader.ReadNextSectionAsync(cancellation).ConfigureAwait(false) is { } section)
            {
                ContentDispositionHeaderValue? said = section.GetContentDispositionHeader();
                string? name = HeaderUtilities.RemoveQuotes(said?.Name ?? default).Value,
                    file = FileName(said);
                if (file is null && name is "top" or "threshold")
                {
                    using GrowingBytes text = new(budget, 256);
                    await text.ReadAsync(section.Body, 100, () => Wrong($"'{name}' is no number."), cancellation)
                        .ConfigureAwait(false);
                    Wish(name, System.Text.Encoding.UTF8.GetString(text.Read.Span));
                    continue;
                }

                GrowingBytes image = Add(file, 64 << 10);
                await image.ReadAsync(section.Body, left, TooLarge, cancellation).ConfigureAwait(false);
                left -= image.Read.Length;
            }
        }
        catch (Exception e) when (e is InvalidDataException or IOException and not BadHttpRequestException)
        {
            throw Wrong($"The form cannot be read: {e.Message}", e);
        }

        if (images.Count == 0)
            throw Wrong("The form has no image. Send images as its files, or one as the body.");
    }

    private static string? FileName(ContentDispositionHeaderValue? said)
    {
        string? name = HeaderUtilities
            .RemoveQuotes(said is null || said.FileNameStar.HasValue ? said?.FileNameStar ?? default : said.FileName)
            .Value;
        return string.IsNullOrEmpty(name) ? null : Short(name);
    }

    private async Task JsonAsync(HttpRequest request, CancellationToken cancellation)
    {
        using GrowingBytes body = new(budget, Expected(request));
        await body.ReadAsync(request.Body, options.MaxRequestBytes, TooLarge, cancellation).ConfigureAwait(false);
        try
        {
            using JsonDocument document = JsonDocument.Parse(body.Read);
            JsonElement root = document.RootElement;
            if (root.ValueKind != JsonValueKind.Object)
                throw Wrong("The JSON is no object; {\"images\": [\"base64\", …]} was expected.");
            foreach (JsonProperty property in root.EnumerateObject())
                if (property.Name is "top" or "threshold")
                    Wish(property.Name, property.Value.ToString());
                else if (property.Name != "images")
                    throw Wrong(
                        $"The JSON has a member '{Short(property.Name)}'; images, top and threshold are known."
                    );
            if (!root.TryGetProperty("images", out JsonElement all) || all.ValueKind != JsonValueKind.Array)
                throw Wrong("The JSON has no array \"images\" of images in base64.");
            foreach (JsonElement image in all.EnumerateArray())
                Decode(image);
        }
        catch (JsonException e)
        {
            throw Wrong($"The JSON cannot be read: {e.Message}", e);
        }

        if (images.Count == 0)
            throw Wrong("The array \"images\" is empty.");
    }

    private void Decode(JsonElement image)
    {
        if (image.ValueKind != JsonValueKind.String)
            throw Wrong($"Image {images.Count} of \"images\" is no string of base64.");
        ReadOnlySpan<byte> raw = System.Runtime.InteropServices.JsonMarshal.GetRawUtf8Value(image)[1..^1];
        // A data URL, as pages have it: what stands before the comma only says what comes.
        if (raw.StartsWith("data:"u8))
            raw = raw[(raw.IndexOf((byte)',') + 1)..];
        GrowingBytes bytes = Add(null, raw.Length);
        // JSON may write a slash as \/ and a plus as \u002B; then the text is longer than the base64.
        bool done = raw.Contains((byte)'\\')
            ? bytes.TryDecode(System.Text.Encoding.UTF8.GetBytes(Plain(image.GetString()!)))
            : bytes.TryDecode(raw);
        if (!done)
            throw Wrong($"Image {images.Count - 1} of \"images\" is no base64.");

        static string Plain(string text) =>
            text.StartsWith("data:", StringComparison.Ordinal) ? text[(text.IndexOf(',') + 1)..] : text;
    }

    private GrowingBytes Add(string? name, int expected)
    {
        if (images.Count == options.MaxImages)
            throw new RequestException(
                StatusCodes.Status413PayloadTooLarge,
                FormattableString.Invariant(
                    $"The request has more than {options.MaxImages} images, which is the limit. Send them in several requests."
                )
            );
        GrowingBytes bytes = new(budget, expected);
        images.Add((name, bytes));
        return bytes;
    }

    private void Wish(string name, string text)
    {
        try
        {
            if (name == "top")
                Wishes = Wishes with { Top = int.Parse(text, NumberStyles.Integer, CultureInfo.InvariantCulture) };
            else if (name == "threshold")
                Wishes = Wishes with
                {
                    Threshold = double.Parse(text, NumberStyles.Float, CultureInfo.InvariantCulture),
                };
            else
                throw Wrong($"The address has '{Short(name)}'; top and threshold are known.");
        }
        catch (Exception e) when (e is FormatException or OverflowException or ArgumentOutOfRangeException)
        {
            string range = name == "top" ? "a whole number from 1 to 1000" : "a number from 0 to 1";
            throw Wrong($"'{name}' is '{Short(text)}'; {range} was expected.", e);
        }
    }

    private static string Short(string text) => text.Length <= 100 ? text : text[..100] + "…";
}
