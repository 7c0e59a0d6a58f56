using System.Text.RegularExpressions;

namespace MlNetTransfer.Onnx.Torch.Conversion;

/// <summary>Where in the tree a tensor or a layer belongs, read from the names in the file.</summary>
/// <remarks>
/// PyTorch names parameters by their path, <c>layer1.0.conv1.weight</c>. Keras and TensorFlow separate by slashes,
/// often below a long prefix that all share and that is cut; Keras numbers its blocks in flat names,
/// <c>block_1_expand</c>, of which <c>block_1.expand</c> is made. Names that say nothing, such as
/// <c>onnx::Conv_193</c>, are not used.
/// </remarks>
internal sealed partial class ModuleNames
{
    private static readonly HashSet<string> Reserved =
    [
        "training",
        "forward",
        "parameters",
        "buffers",
        "modules",
        "children",
        "eval",
        "train",
        "name",
        "call",
        "to",
    ];

    private readonly string[] prefix;
    private readonly HashSet<string> blocks;

    /// <param name="tensors">Names of all weights.</param>
    public ModuleNames(IEnumerable<string> tensors)
    {
        string[][] folders =
        [
            .. tensors.Where(t => t.Contains('/', StringComparison.Ordinal)).Select(t => t.Split('/')[..^1]),
        ];
        prefix =
            folders.Length < 2
                ? []
                : folders.Aggregate((a, b) => [.. a.Zip(b).TakeWhile(p => p.First == p.Second).Select(p => p.First)]);
        // A prefix that ends with a name of its own, not with a call of TensorFlow's, is the name of the network.
        if (
            prefix.Length > 0
            && !prefix[^1].Contains("Call", StringComparison.Ordinal)
            && folders.Any(f => f.Length == prefix.Length)
        )
            prefix = prefix[..^1];
        blocks =
        [
            .. folders
                .Where(f => f.Length > prefix.Length)
                .Select(f => NumberedBlock().Match(f[prefix.Length]))
                .Where(m => m.Success)
                .GroupBy(m => m.Groups[1].Value)
                .Where(g => g.Select(m => m.Value).Distinct().Count() > 1)
                .Select(g => g.Key),
        ];
    }

    /// <summary>Path of the layer that a weight belongs to; null where its name does not say.</summary>
    public string[]? OfWeight(string tensor) =>
        Parts(tensor) is [.. { Length: > 0 } path, var last] && Weight().IsMatch(last) ? path : null;

    /// <summary>
    /// Path of a tensor that belongs to no layer, its own name last; null where its name does not say.
    /// </summary>
    public string[]? OfTensor(string tensor) => Parts(tensor) is { Length: > 0 } path ? path : null;

    /// <summary>Path of the layer that a node computes; null where its name does not say.</summary>
    public string[]? OfNode(string node, string operatorType)
    {
        if (Parts(node) is not { Length: > 0 } path)
            return null;
        return Regex.IsMatch(path[^1], $"^{operatorType}(_[0-9]+)?$")
            ? path.Length > 1
                ? path[..^1]
                : null
            : path;
    }

    private string[]? Parts(string name)
    {
        if (name.Length == 0 || name.Contains("::", StringComparison.Ordinal))
            return null;
        return name.Contains('/', StringComparison.Ordinal)
            ? Slashes(name)
            : [.. name.Split('.', StringSplitOptions.RemoveEmptyEntries).Select(Clean)];
    }

    private string[] Slashes(string name)
    {
        string[] parts = name.Split('/', StringSplitOptions.RemoveEmptyEntries);
        if (parts.Length > prefix.Length && parts.AsSpan(0, prefix.Length).SequenceEqual(prefix))
            parts = parts[prefix.Length..];
        List<string> path = [];
        for (int i = 0; i < parts.Length; i++)
        {
            // PyTorch 2 repeats the path so far: /layer1/layer1.0/conv1.
            bool repeats = i > 0 && parts[i].StartsWith(parts[i - 1] + ".", StringComparison.Ordinal);
            path.AddRange(
                (repeats ? parts[i][(parts[i - 1].Length + 1)..] : parts[i]).Split(
                    '.',
                    StringSplitOptions.RemoveEmptyEntries
                )
            );
        }

        if (
            path.Count > 0
            && NumberedBlock().Match(path[0]) is { Success: true } match
            && blocks.Contains(match.Groups[1].Value)
        )
            path = [match.Groups[1].Value, match.Groups[2].Value, .. path[1..]];
        return [.. path.Select(Clean)];
    }

    private static string Clean(string part)
    {
        string clean = NotWord().Replace(part, "_");
        return Reserved.Contains(clean) ? clean + "_" : clean;
    }

    [GeneratedRegex("^(.*?[0-9]+)_(.+)$")]
    private static partial Regex NumberedBlock();

    [GeneratedRegex("[^A-Za-z0-9_]")]
    private static partial Regex NotWord();

    [GeneratedRegex("weight|kernel|gamma|scale|filter|slope|alpha|^w$", RegexOptions.IgnoreCase)]
    private static partial Regex Weight();
}
