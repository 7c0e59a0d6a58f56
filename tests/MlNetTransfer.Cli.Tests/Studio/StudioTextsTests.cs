using System.Text.RegularExpressions;
using System.Xml.Linq;
using MlNetTransfer.Tests.Shared;

namespace MlNetTransfer.Cli.Tests.Studio;

/// <summary>Every word of the pages is there in every language, with the values that it has.</summary>
[TestClass]
public sealed partial class StudioTextsTests
{
    /// <summary>What is named elsewhere than on a page: kinds of work.</summary>
    private static readonly string[] Named = ["training", "check", "measurement", "export", "prediction"];

    [TestMethod]
    public void Korean_HasWhatThePagesSay_AndNothingElse()
    {
        string[] said =
        [
            .. Directory
                .GetFiles(Repository.At("src/MlNetTransfer.Studio/Pages"), "*.razor")
                .SelectMany(f => Text().Matches(File.ReadAllText(f)))
                .Select(m => m.Groups[1].Value)
                .Concat(Named)
                .Distinct()
                .Order(StringComparer.Ordinal),
        ];
        Dictionary<string, string> korean = XDocument
            .Load(Repository.At("src/MlNetTransfer.Studio/Korean.resx"))
            .Root!.Elements("data")
            .ToDictionary(d => d.Attribute("name")!.Value, d => d.Element("value")!.Value);
        Assert.IsGreaterThan(150, said.Length);
        CollectionAssert.AreEqual(said, korean.Keys.Order(StringComparer.Ordinal).ToArray());
        foreach ((string english, string words) in korean)
            CollectionAssert.AreEqual(Holes(english), Holes(words), english);
    }

    [TestMethod]
    public void Pages_SayNothingBesides()
    {
        foreach (string page in Directory.GetFiles(Repository.At("src/MlNetTransfer.Studio/Pages"), "*.razor"))
        {
            string markup = File.ReadAllText(page).Split("@code", 2)[0];
            Assert.IsFalse(Bare().IsMatch(markup), $"{page}: {Bare().Match(markup).Value}");
        }
    }

    private static string[] Holes(string text) =>
        [.. Hole().Matches(text).Select(m => m.Value).Distinct().Order(StringComparer.Ordinal)];

    [GeneratedRegex("""T\["((?:[^"\\]|\\.)*)["]""")]
    private static partial Regex Text();

    [GeneratedRegex(@"\{\d\}")]
    private static partial Regex Hole();

    /// <summary>Two words of a sentence between tags.</summary>
    [GeneratedRegex(@">\s*[A-Z][a-z]+ [a-z]+[^<>@{}=;]*<", RegexOptions.CultureInvariant)]
    private static partial Regex Bare();
}
