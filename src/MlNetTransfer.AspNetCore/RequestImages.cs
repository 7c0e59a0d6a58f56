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
    /// <summary>What a body takes at first, and what a part of a form counts beside its content.</summary>
    private const int FirstBytes = 16 << 10,
        PartBytes = 100;

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
            string.Create(
                CultureInfo.InvariantCulture,
                $"The body of the request has more than {options.MaxRequestBytes} bytes, which is the limit. Send "
                    + $"fewer or smaller images."
            )
        );

    private static RequestException Wrong(string message, Exception? inner = null) =>
        new(StatusCodes.Status400BadRequest, message, inner);

    /// <summary>
    /// The body is the image, whatever its content type says: that of curl's --data-binary is a form's.
    /// </summary>
    private async Task BodyAsync(HttpRequest request, CancellationToken cancellation)
    {
        GrowingBytes body = Add(null, First(request));
        await body.ReadAsync(request.Body, options.MaxRequestBytes, TooLarge, cancellation).ConfigureAwait(false);
        if (body.Read.IsEmpty)
            throw Wrong(
                "The request has no body. Send an image as the body, images as files of a form, or JSON with "
                    + "\"images\"."
            );
        IsBody = true;
    }

    /// <summary>
    /// Where a body begins: a length that is only announced takes no more than this, whatever it is.
    /// </summary>
    private static int First(HttpRequest request) =>
        request.ContentLength is { } length ? (int)Math.Min(length + 1, FirstBytes) : FirstBytes;

    /// <summary>Every part is an image, but those that are named as a wish.</summary>
    private async Task FormAsync(HttpRequest request, CancellationToken cancellation)
    {
        string? boundary = MediaTypeHeaderValue.TryParse(request.ContentType, out MediaTypeHeaderValue? media)
            ? HeaderUtilities.RemoveQuotes(media.Boundary).Value
            : null;
        if (string.IsNullOrEmpty(boundary) || boundary.Length > 200)
            throw Wrong(
                $"The content type '{Short(request.ContentType!)}' has no boundary. Leave the content type of a "
                    + "form to the client."
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
                    left -= text.Read.Length + PartBytes;
                    if (left < 0)
                        throw TooLarge();
                    continue;
                }

                GrowingBytes image = Add(file, FirstBytes);
                await image.ReadAsync(section.Body, left, TooLarge, cancellation).ConfigureAwait(false);
                left -= image.Read.Length + PartBytes;
            }
        }
        catch (Exception e)
            when (e
                    is InvalidDataException
                        or NotSupportedException
                        or ArgumentException
                        or FormatException
                        or (IOException and not BadHttpRequestException)
            )
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
        using GrowingBytes body = new(budget, First(request));
        await body.ReadAsync(request.Body, options.MaxRequestBytes, TooLarge, cancellation).ConfigureAwait(false);
        try
        {
            // Token by token: a tree of a body is many times its size.
            Utf8JsonReader reader = new(WithoutMark(body.Read.Span));
            ReadObject(ref reader);
        }
        catch (Exception e) when (e is JsonException or InvalidOperationException)
        {
            throw Wrong($"The JSON cannot be read: {e.Message}", e);
        }
    }

    private static ReadOnlySpan<byte> WithoutMark(ReadOnlySpan<byte> text) =>
        text.StartsWith(System.Text.Encoding.UTF8.Preamble) ? text[3..] : text;

    private void ReadObject(ref Utf8JsonReader reader)
    {
        if (!reader.Read() || reader.TokenType != JsonTokenType.StartObject)
            throw Wrong("The JSON is no object; {\"images\": [\"base64\", …]} was expected.");
        bool any = false;
        while (reader.Read() && reader.TokenType == JsonTokenType.PropertyName)
        {
            bool isImages = reader.ValueTextEquals("images"u8),
                isTop = reader.ValueTextEquals("top"u8);
            if (!isImages && !isTop && !reader.ValueTextEquals("threshold"u8))
                throw Wrong($"The JSON has a member '{Text(ref reader)}'; images, top and threshold are known.");
            reader.Read();
            if (!isImages)
            {
                if (reader.TokenType != JsonTokenType.Null)
                    Wish(isTop ? "top" : "threshold", Text(ref reader));
                continue;
            }

            if (reader.TokenType != JsonTokenType.StartArray)
                throw Wrong("The JSON has no array \"images\" of images in base64.");
            any = true;
            while (reader.Read() && reader.TokenType != JsonTokenType.EndArray)
                Decode(ref reader);
        }

        // Whatever follows is no JSON any more; the reader says so.
        while (reader.Read()) { }
        if (images.Count == 0)
            throw Wrong(
                any ? "The array \"images\" is empty." : "The JSON has no array \"images\" of images in base64."
            );
    }

    /// <summary>A name or a lone value; of what is too long to be one, that it is long.</summary>
    private static string Text(ref Utf8JsonReader reader)
    {
        if (reader.TokenType is JsonTokenType.StartArray or JsonTokenType.StartObject)
            throw Wrong("The JSON has an array or object where a number was expected.");
        return reader.ValueSpan.Length > 200 ? $"{reader.ValueSpan.Length} bytes of text"
            : reader.TokenType is JsonTokenType.String or JsonTokenType.PropertyName ? reader.GetString()!
            : System.Text.Encoding.UTF8.GetString(reader.ValueSpan);
    }

    private void Decode(ref Utf8JsonReader reader)
    {
        if (reader.TokenType != JsonTokenType.String)
            throw Wrong($"Image {images.Count} of \"images\" is no string of base64.");
        GrowingBytes bytes = Add(null, reader.ValueSpan.Length);
        if (!reader.ValueIsEscaped)
        {
            Decode(bytes, reader.ValueSpan);
            return;
        }

        byte[] plain = budget.Rent(reader.ValueSpan.Length);
        try
        {
            Decode(bytes, plain.AsSpan(0, reader.CopyString(plain)));
        }
        finally
        {
            budget.Return(plain);
        }
    }

    private void Decode(GrowingBytes bytes, ReadOnlySpan<byte> text)
    {
        // A data URL, as pages have it: what stands before the comma only says what comes.
        if (text.StartsWith("data:"u8))
            text = text[(text.IndexOf((byte)',') + 1)..];
        if (!bytes.TryDecode(text))
            throw Wrong($"Image {images.Count - 1} of \"images\" is no base64.");
    }

    private GrowingBytes Add(string? name, int expected)
    {
        if (images.Count == options.MaxImages)
            throw new RequestException(
                StatusCodes.Status413PayloadTooLarge,
                string.Create(
                    CultureInfo.InvariantCulture,
                    $"The request has more than {options.MaxImages} images, which is the limit. Send them in "
                        + $"several requests."
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
