using System.Text.Json;

namespace MlNetTransfer.Backbones.Tfjs;

/// <summary>
/// Takes the literal out of a JavaScript module of the form <c>… module.exports = literal …</c>. The script is never
/// run.
/// </summary>
internal static class JavaScriptModule
{
    private const string Marker = ".exports=";

    /// <summary>The exported string, decoded from base64.</summary>
    /// <param name="script">Text of the module.</param>
    /// <param name="file">The module's file, for errors.</param>
    public static byte[] ExportedBytes(string script, string file)
    {
        int start = ExportedLiteral(script, file, '"');
        int end = script.IndexOf(script[start], start + 1);
        if (end < 0)
            throw new TfjsException(
                $"{file}: the exported string has no end; the file is cut short. Restore the package again."
            );
        byte[] bytes = new byte[(end - start) / 4 * 3 + 3];
        return Convert.TryFromBase64Chars(script.AsSpan(start + 1, end - start - 1), bytes, out int length)
            ? bytes[..length]
            : throw new TfjsException($"{file}: the exported string is not base64. Restore the package again.");
    }

    /// <summary>The exported object literal.</summary>
    /// <param name="script">Text of the module.</param>
    /// <param name="file">The module's file, for errors.</param>
    public static JsonDocument ExportedObject(string script, string file)
    {
        string json = new JavaScriptLiteral(script, ExportedLiteral(script, file, '{'), file).ToJson();
        return JsonDocument.Parse(json, new JsonDocumentOptions { MaxDepth = JavaScriptLiteral.MaxNesting });
    }

    private static int ExportedLiteral(string script, string file, char open)
    {
        for (
            int at = script.IndexOf(Marker, StringComparison.Ordinal);
            at >= 0;
            at = script.IndexOf(Marker, at + 1, StringComparison.Ordinal)
        )
        {
            int start = at + Marker.Length;
            if (start < script.Length && (script[start] == open || (open == '"' && script[start] == '\'')))
                return start;
        }

        throw new TfjsException(
            $"{file}: found no '{Marker}{open}'; expected a JavaScript module that exports "
                + $"{(open == '{' ? "the model's topology as an object" : "weights as a base64 string")}."
        );
    }
}
