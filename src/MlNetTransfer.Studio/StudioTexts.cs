using System.Globalization;
using System.Resources;

namespace MlNetTransfer.Studio;

/// <summary>
/// The words of the pages in one language. English ones stand in the pages, and name those of the others.
/// </summary>
internal sealed class StudioTexts
{
    /// <summary>The cookie that says which language was chosen.</summary>
    public const string Cookie = "mlnet-transfer-language";

    private static readonly ResourceManager Korean = new("MlNetTransfer.Studio.Korean", typeof(StudioTexts).Assembly);

    private readonly ResourceManager? words;

    /// <param name="language">"en" or "ko"; anything else is English.</param>
    public StudioTexts(string? language)
    {
        Language = language == "ko" ? "ko" : "en";
        words = Language == "ko" ? Korean : null;
    }

    /// <summary>The languages, each by what it calls itself.</summary>
    public static IReadOnlyList<(string Code, string Name)> Languages { get; } = [("en", "English"), ("ko", "한국어")];

    /// <summary>"en" or "ko".</summary>
    public string Language { get; }

    /// <summary>A text in this language.</summary>
    public string this[string english] => words?.GetString(english, CultureInfo.InvariantCulture) ?? english;

    /// <summary>A text with values in it.</summary>
    public string this[string english, params object?[] values] =>
        string.Format(CultureInfo.InvariantCulture, this[english], values);

    /// <summary>What was chosen, else the first of the browser's languages that is here.</summary>
    public static string LanguageOf(HttpRequest request)
    {
        if (request.Cookies[Cookie] is { } chosen && Languages.Any(l => l.Code == chosen))
            return chosen;
        return request
                .GetTypedHeaders()
                .AcceptLanguage.OrderByDescending(l => l.Quality ?? 1)
                .Select(l => $"{l.Value}".Split('-')[0].ToLowerInvariant())
                .FirstOrDefault(code => Languages.Any(l => l.Code == code))
            ?? "en";
    }
}
