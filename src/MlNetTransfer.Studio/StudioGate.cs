using System.Security.Cryptography;
using System.Text;

namespace MlNetTransfer.Studio;

/// <summary>
/// Who may ask the studio anything: whoever has the address that it printed, once; from then on that browser, by a
/// cookie. No other site, whatever the browser sends along; no other name of this machine.
/// </summary>
internal sealed class StudioGate
{
    private readonly byte[] token = Encoding.ASCII.GetBytes(RandomHex());
    private readonly byte[] session = Encoding.ASCII.GetBytes(RandomHex());
    private int used;

    /// <summary>What the first address has: good once.</summary>
    public string Token => Encoding.ASCII.GetString(token);

    /// <summary>Lets a request through, or answers it.</summary>
    public async Task HandleAsync(HttpContext context, RequestDelegate next)
    {
        HttpRequest request = context.Request;
        int port = context.Connection.LocalPort;
        // Another name for this address is a site that has made its own name point here.
        if (request.Host.Host is not ("127.0.0.1" or "localhost") || (request.Host.Port ?? 80) != port)
        {
            await RefuseAsync(context, StatusCodes.Status400BadRequest, "The studio has another address.");
            return;
        }

        if (IsFromElsewhere(request, port))
        {
            await RefuseAsync(context, StatusCodes.Status403Forbidden, "The studio answers its own pages only.");
            return;
        }

        // Cookies do not tell ports apart; names do.
        string cookie = FormattableString.Invariant($"mlnet-transfer-studio-{port}");
        if (
            HttpMethods.IsGet(request.Method)
            && request.Path == "/"
            && request.Query.TryGetValue("token", out var given)
        )
        {
            await EnterAsync(context, cookie, given.ToString());
            return;
        }

        if (!Same(session, request.Cookies[cookie]))
        {
            await RefuseAsync(
                context,
                StatusCodes.Status401Unauthorized,
                "Open the address that the studio printed when it started; it is good once. Start the studio again for "
                    + "another."
            );
            return;
        }

        AddHeaders(context.Response.Headers);
        await next(context);
    }

    private async Task EnterAsync(HttpContext context, string cookie, string given)
    {
        if (!Same(token, given) || Interlocked.Exchange(ref used, 1) == 1)
        {
            if (Same(session, context.Request.Cookies[cookie]))
            {
                context.Response.Redirect("/");
                return;
            }

            await RefuseAsync(
                context,
                StatusCodes.Status401Unauthorized,
                "This address has been used, or is of another start of the studio. Start the studio again."
            );
            return;
        }

        context.Response.Cookies.Append(
            cookie,
            Encoding.ASCII.GetString(session),
            new CookieOptions
            {
                HttpOnly = true,
                SameSite = SameSiteMode.Strict,
                Path = "/",
                IsEssential = true,
            }
        );
        context.Response.Redirect("/");
    }

    /// <summary>
    /// Whether a page of another site made the browser ask. Opening the printed address is the browser's own doing, and
    /// says "none".
    /// </summary>
    private static bool IsFromElsewhere(HttpRequest request, int port)
    {
        string origin = request.Headers.Origin.ToString(),
            site = request.Headers["Sec-Fetch-Site"].ToString();
        bool isOther =
            origin.Length > 0
            && (
                !Uri.TryCreate(origin, UriKind.Absolute, out Uri? from)
                || from.Scheme != Uri.UriSchemeHttp
                || from.Host is not ("127.0.0.1" or "localhost")
                || from.Port != port
            );
        return isOther || site is "cross-site" or "same-site";
    }

    private static void AddHeaders(IHeaderDictionary headers)
    {
        headers.ContentSecurityPolicy =
            "default-src 'self'; style-src 'self' 'unsafe-inline'; img-src 'self' data: blob:; font-src 'self' data:; "
            + "object-src 'none'; base-uri 'self'; form-action 'self'; frame-ancestors 'none'";
        headers.XContentTypeOptions = "nosniff";
        headers["Referrer-Policy"] = "no-referrer";
        headers["Cross-Origin-Resource-Policy"] = "same-origin";
        headers["Cross-Origin-Opener-Policy"] = "same-origin";
    }

    private static async Task RefuseAsync(HttpContext context, int status, string message)
    {
        context.Response.StatusCode = status;
        context.Response.ContentType = "text/plain; charset=utf-8";
        await context.Response.WriteAsync(message);
    }

    private static bool Same(byte[] expected, string? given) =>
        given is not null && CryptographicOperations.FixedTimeEquals(expected, Encoding.UTF8.GetBytes(given));

    private static string RandomHex() => Convert.ToHexStringLower(RandomNumberGenerator.GetBytes(32));
}
