using System.Globalization;
using System.Text.Json.Nodes;
using System.Text.RegularExpressions;
using YamlDotNet.Core;
using YamlDotNet.Core.Events;

namespace MlNetTransfer.Runs;

/// <summary>
/// A YAML file of keys and values as JSON, and the line of each. Plain scalars are typed by the core schema of YAML
/// 1.2; anchors, aliases, tags and further documents are refused, since a job needs none and they can be abused.
/// </summary>
internal sealed partial class YamlObject
{
    private const int MostBytes = 1 << 20,
        Deepest = 32;

    private readonly string file;
    private readonly Dictionary<string, long> lines = new(StringComparer.Ordinal);

    private YamlObject(string file) => this.file = file;

    /// <summary>The keys and values.</summary>
    public JsonObject Root { get; private set; } = [];

    /// <summary>Reads a file.</summary>
    /// <exception cref="TransferException">It is missing, too large, no YAML, or not keys and values; the message has
    /// the line.</exception>
    public static YamlObject Read(string file)
    {
        var read = new YamlObject(file);
        using var text = new StringReader(TextOf(file));
        var parser = new Parser(new Scanner(text, skipComments: true));
        try
        {
            parser.Consume<StreamStart>();
            if (!parser.TryConsume<DocumentStart>(out _))
                throw new TransferException($"'{file}' is empty. 'mlnet-transfer new-job FOLDER' writes one to begin.");
            JsonNode? root = read.Value(parser, "", 0);
            parser.Consume<DocumentEnd>();
            if (!parser.Accept<StreamEnd>(out _))
                throw read.Wrong(parser.Current!.Start, "a second document begins here; a job file has one.");
            read.Root =
                root as JsonObject ?? throw new TransferException($"'{file}' has no keys; a job file is 'key: value'.");
            return read;
        }
        catch (YamlException e)
        {
            if (TabOf(TextOf(file), e) is { } tab)
                throw new TransferException(
                    $"{file}({tab}): the line begins with a tab, and YAML takes blanks alone. Put two blanks for each "
                        + "step to the right.",
                    e
                );
            throw read.Wrong(e.Start, $"this is no YAML: {e.Message}", e);
        }
    }

    /// <summary>
    /// The line, from 1, that begins with the tab that the scanner speaks of, which names the mapping around it; null
    /// where it speaks of none.
    /// </summary>
    private static int? TabOf(string text, YamlException e)
    {
        if (!e.Message.Contains(" tab ", StringComparison.Ordinal))
            return null;
        string[] lines = text.Split('\n');
        int found = Array.FindIndex(
            lines,
            (int)Math.Min(e.Start.Line - 1, lines.Length - 1),
            line => line.TrimStart(' ').StartsWith('\t') && line.Trim().Length > 0
        );
        return found < 0 ? null : found + 1;
    }

    /// <summary>An error at a member: file, line, and what is wrong.</summary>
    /// <param name="member">The member, or one below or above it.</param>
    /// <param name="message">What is wrong.</param>
    /// <param name="inner">What was thrown first.</param>
    public TransferException Wrong(string member, string message, Exception? inner = null)
    {
        string known = member;
        while (known.Length > 0 && !lines.ContainsKey(known))
            known = known.LastIndexOfAny(['.', '[']) is > 0 and int end ? known[..end] : "";
        return new TransferException($"{file}({lines.GetValueOrDefault(known, 1)}): {message}", inner);
    }

    private static string TextOf(string file)
    {
        try
        {
            return new FileInfo(file) is { Exists: true } found
                ? found.Length <= MostBytes
                    ? File.ReadAllText(file)
                    : throw new TransferException(
                        $"'{file}' has {found.Length} bytes; a job file has {MostBytes} at most."
                    )
                : throw new TransferException(
                    $"There is no job file '{file}'. 'mlnet-transfer new-job FOLDER' writes one to begin."
                );
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            throw new TransferException($"'{file}' cannot be read: {e.Message}", e);
        }
    }

    private JsonNode? Value(Parser parser, string path, int depth)
    {
        NodeEvent node = Node(parser, depth);
        return node switch
        {
            MappingStart => Mapping(parser, path, depth),
            SequenceStart => Sequence(parser, path, depth),
            Scalar { IsQuotedImplicit: true, Style: not ScalarStyle.Plain } quoted => JsonValue.Create(quoted.Value),
            Scalar scalar => Typed(scalar.Value),
            _ => throw Wrong(node.Start, "this is neither a value, nor a list, nor keys and values."),
        };
    }

    private NodeEvent Node(Parser parser, int depth)
    {
        ParsingEvent found = parser.Consume<ParsingEvent>();
        if (found is AnchorAlias || found is NodeEvent { Anchor.IsEmpty: false })
            throw Wrong(found.Start, "anchors and aliases (& and *) are not taken in job files. Write the value out.");
        if (found is NodeEvent { Tag.IsEmpty: false })
            throw Wrong(found.Start, "tags (!) are not taken in job files. Leave it out.");
        if (depth > Deepest)
            throw Wrong(found.Start, $"this is nested deeper than {Deepest}.");
        return found as NodeEvent ?? throw Wrong(found.Start, "a value was expected here.");
    }

    private JsonObject Mapping(Parser parser, string path, int depth)
    {
        JsonObject made = [];
        while (!parser.TryConsume<MappingEnd>(out _))
        {
            if (Node(parser, depth + 1) is not Scalar key)
                throw Wrong(parser.Current!.Start, "a key is a word.");
            string name = path.Length == 0 ? key.Value : $"{path}.{key.Value}";
            if (!lines.TryAdd(name, key.Start.Line))
                throw Wrong(key.Start, $"'{name}' is given twice; first in line {lines[name]}.");
            made[key.Value] = Value(parser, name, depth + 1);
        }

        return made;
    }

    private JsonArray Sequence(Parser parser, string path, int depth)
    {
        JsonArray made = [];
        while (!parser.TryConsume<SequenceEnd>(out _))
        {
            string name = string.Create(CultureInfo.InvariantCulture, $"{path}[{made.Count}]");
            lines[name] = parser.Accept<ParsingEvent>(out _) ? parser.Current!.Start.Line : 1;
            made.Add(Value(parser, name, depth + 1));
        }

        return made;
    }

    private static JsonValue? Typed(string text) =>
        text switch
        {
            "" or "~" or "null" or "Null" or "NULL" => null,
            "true" or "True" or "TRUE" => JsonValue.Create(true),
            "false" or "False" or "FALSE" => JsonValue.Create(false),
            _ when Whole().IsMatch(text) && long.TryParse(text, CultureInfo.InvariantCulture, out long whole) =>
                JsonValue.Create(whole),
            _ when Number().IsMatch(text) => JsonValue.Create(double.Parse(text, CultureInfo.InvariantCulture)),
            _ => JsonValue.Create(text),
        };

    private TransferException Wrong(Mark at, string message, Exception? inner = null) =>
        new($"{file}({at.Line}): {message}", inner);

    [GeneratedRegex(@"^[-+]?[0-9]+$")]
    private static partial Regex Whole();

    [GeneratedRegex(@"^[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]{1,3})?$")]
    private static partial Regex Number();
}
