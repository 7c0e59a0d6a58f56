using MlNetTransfer.Reports.Page;
using MlNetTransfer.Reports.Sections;

namespace MlNetTransfer.Cli.Tests.Reports;

[TestClass]
public sealed class HtmlTests
{
    [TestMethod]
    [DataRow("<script>alert(1)</script>", "&lt;script&gt;alert(1)&lt;/script&gt;")]
    [DataRow("\" onerror='x' &amp;", "&quot; onerror=&#39;x&#39; &amp;amp;")]
    [DataRow("a\u202Egpj.exe\u001b[0m", "a\uFFFDgpj.exe\uFFFD[0m")]
    [DataRow("Bäume 木", "Bäume 木")]
    public void Of_TextInHole_IsEscaped(string text, string expected) =>
        Assert.AreEqual($"<b title=\"{expected}\">{expected}</b>", Html.Of($"<b title=\"{text}\">{text}</b>").Markup);

    [TestMethod]
    public void Of_HtmlInHole_StaysHtml() =>
        Assert.AreEqual("<p><i>a &lt; b</i>3</p>", Html.Of($"<p>{Html.Of($"<i>{"a < b"}</i>")}{3}</p>").Markup);

    /// <summary>Cards come from model files, which anyone may have made.</summary>
    [TestMethod]
    public void ToHtml_CardWithMarkup_ShowsItAsText()
    {
        string html = CardText
            .ToHtml("# A\n\n## <img src=x>\n\ntext <b>\n\n| a | b |\n|---|---|\n| x\\|y | <i> |\n")
            .Markup;
        StringAssert.Contains(html, "<h3>&lt;img src=x&gt;</h3>");
        StringAssert.Contains(html, "text &lt;b&gt;");
        StringAssert.Contains(html, "x|y");
        Assert.IsFalse(html.Contains("<i>", StringComparison.Ordinal));
    }
}
