using System.Text.RegularExpressions;
using MlNetTransfer.Tests.Shared;

namespace MlNetTransfer.Tests;

/// <summary>The rules of docs/architecture.md, read from the sources: the first file that breaks one fails.</summary>
[TestClass]
public sealed partial class ArchitectureTests
{
    private const int MostLines = 400;
    private const int MostColumns = 120;

    /// <summary>Projects, each with those that it may refer to.</summary>
    private static readonly (string Name, string[] MayUse)[] Projects =
    [
        ("MlNetTransfer.Onnx", []),
        ("MlNetTransfer.Imaging", []),
        ("MlNetTransfer", ["MlNetTransfer.Onnx", "MlNetTransfer.Imaging"]),
        ("MlNetTransfer.Hosting", ["MlNetTransfer"]),
        ("MlNetTransfer.AspNetCore", ["MlNetTransfer.Hosting"]),
        ("MlNetTransfer.Reports", ["MlNetTransfer"]),
        ("MlNetTransfer.Studio", ["MlNetTransfer", "MlNetTransfer.Reports"]),
        ("MlNetTransfer.Scoring", ["MlNetTransfer"]),
        ("MlNetTransfer.Scoring.S3", ["MlNetTransfer.Scoring"]),
        ("MlNetTransfer.TorchSharp", ["MlNetTransfer"]),
        ("MlNetTransfer.Cluster", ["MlNetTransfer.Scoring"]),
        (
            "MlNetTransfer.Cli",
            [
                "MlNetTransfer",
                "MlNetTransfer.AspNetCore",
                "MlNetTransfer.Reports",
                "MlNetTransfer.Studio",
                "MlNetTransfer.Scoring",
                "MlNetTransfer.Scoring.S3",
                "MlNetTransfer.Cluster",
            ]
        ),
    ];

    /// <summary>Folders of the library, each of which may use those before it only.</summary>
    private static readonly string[] Order =
    [
        "Numerics",
        "Datasets",
        "Evaluation",
        "Encoders",
        "Backbones",
        "Features",
        "Heads",
        "Advice",
        "Adaptation",
        "Selective",
        "Training",
        "Models",
        "Explain",
        "Checks",
        "Jobs",
        "Runs",
        "MLContext",
    ];

    private static readonly string Root = Repository.At("src");

    private static IEnumerable<(string Path, string Text)> Sources =>
        Directory
            .EnumerateFiles(Root, "*.cs", SearchOption.AllDirectories)
            .Select(path => Path.GetRelativePath(Root, path).Replace('\\', '/'))
            .Where(path =>
                !path.Contains("/obj/", StringComparison.Ordinal) && !path.Contains("/bin/", StringComparison.Ordinal)
            )
            .Order(StringComparer.Ordinal)
            .Select(path => (path, File.ReadAllText(Path.Combine(Root, path))));

    [TestMethod]
    public void Files_AreAtMost400LinesOf120Columns()
    {
        string[] wrong =
        [
            .. Sources.SelectMany(source =>
            {
                string[] lines = source.Text.Split('\n');
                return lines
                    .Select((line, i) => (Length: line.TrimEnd('\r').Length, Number: i + 1))
                    .Where(line => line.Length > MostColumns)
                    .Select(line => $"{source.Path}:{line.Number} has {line.Length} columns")
                    .Concat(lines.Length > MostLines + 1 ? [$"{source.Path} has {lines.Length - 1} lines"] : []);
            }),
        ];
        Assert.IsEmpty(wrong, string.Join('\n', wrong));
    }

    [TestMethod]
    public void Namespaces_FollowFolders()
    {
        string[] wrong =
        [
            .. Sources
                .Select(source => (source.Path, Found: Namespace().Match(source.Text).Groups[1].Value))
                .Where(source => source.Found.Length > 0 && source.Found != Expected(source.Path))
                .Select(source => $"{source.Path}: {source.Found}, expected {Expected(source.Path)}"),
        ];
        Assert.IsEmpty(wrong, string.Join('\n', wrong));

        // What a user reaches by 'using MlNetTransfer' alone, or by none, is kept apart by folder only.
        static string Expected(string path)
        {
            if (Path.GetFileName(path) == "TransferEndpoints.cs")
                return "Microsoft.AspNetCore.Builder";
            if (Path.GetFileName(path) == "TransferModelServiceCollectionExtensions.cs")
                return "Microsoft.Extensions.DependencyInjection";
            return path.StartsWith("MlNetTransfer.Imaging/Core/", StringComparison.Ordinal)
                ? "MlNetTransfer"
                : string.Join('.', path.Split('/')[..^1].Where(part => part != "MLContext"));
        }
    }

    [TestMethod]
    public void Arrows_PointLeft()
    {
        string[] wrong =
        [
            .. Sources
                .Select(source => (source.Path, source.Text, Parts: source.Path.Split('/')))
                .Where(source => source.Parts is ["MlNetTransfer", _, _, ..])
                .SelectMany(source =>
                    Used()
                        .Matches(source.Text)
                        .Select(match => match.Groups[1].Value)
                        .Where(used => Array.IndexOf(Order, used) > Array.IndexOf(Order, source.Parts[1]))
                        .Select(used => $"{source.Path} uses {used}, which stands right of it")
                ),
        ];
        Assert.IsEmpty(wrong, string.Join('\n', wrong));
        string[] folders =
        [
            .. Directory
                .GetDirectories(Path.Combine(Root, "MlNetTransfer"))
                .Select(d => Path.GetFileName(d)!)
                .Where(d => d is not ("obj" or "bin" or "build")),
        ];
        CollectionAssert.IsSubsetOf(folders, Order, "A new folder needs its place in the order.");
    }

    [TestMethod]
    public void Projects_ReferToThoseBeforeThemOnly()
    {
        string[] wrong =
        [
            .. Projects.SelectMany(project =>
                Reference()
                    .Matches(ProjectFile(project.Name))
                    .Select(match => match.Groups[1].Value)
                    .Except(project.MayUse)
                    .Select(used => $"{project.Name} refers to {used}")
            ),
        ];
        Assert.IsEmpty(wrong, string.Join('\n', wrong));
        CollectionAssert.AreEquivalent(
            Projects.Select(project => project.Name).ToArray(),
            Directory.GetFiles(Root, "*.csproj", SearchOption.AllDirectories).Select(ProjectName).ToArray(),
            "A new project needs its place in the order."
        );

        static string ProjectName(string file) => Path.GetFileNameWithoutExtension(file);
    }

    [TestMethod]
    public void MLContext_IsUsedByNobodyElse()
    {
        string[] types =
        [
            .. Sources
                .Where(s => s.Path.StartsWith("MlNetTransfer/MLContext/", StringComparison.Ordinal))
                .SelectMany(s => TypeNames().Matches(s.Text).Select(m => m.Groups[1].Value))
                .Distinct(),
        ];
        Assert.IsGreaterThan(10, types.Length);
        var names = new Regex($@"\b({string.Join('|', types)})\b");
        string[] wrong =
        [
            .. Sources
                .Where(s =>
                    !s.Path.Contains("/MLContext/", StringComparison.Ordinal)
                    && s.Path.StartsWith("MlNetTransfer", StringComparison.Ordinal)
                )
                .SelectMany(s =>
                    s.Text.Split('\n')
                        .Where(line => !line.TrimStart().StartsWith("//", StringComparison.Ordinal))
                        .Select(line => names.Match(Strings().Replace(line, "")))
                        .Where(m => m.Success)
                        .Select(m => $"{s.Path} uses {m.Value}")
                ),
        ];
        Assert.IsEmpty(wrong, string.Join('\n', wrong));
    }

    /// <summary>
    /// Unsafe code is where images are decoded, resized and augmented, and where training steps compute.
    /// </summary>
    [TestMethod]
    public void Unsafe_IsInImagingAndKernelsAlone()
    {
        string[] wrong =
        [
            .. Sources
                .Where(s => Unsafe().IsMatch(s.Text))
                .Select(s => s.Path)
                .Where(path =>
                    !path.StartsWith("MlNetTransfer.Imaging/", StringComparison.Ordinal)
                    && !path.StartsWith("MlNetTransfer.Onnx/Kernels/", StringComparison.Ordinal)
                ),
        ];
        Assert.IsEmpty(wrong, string.Join('\n', wrong));
        string[] allowed =
        [
            .. Projects
                .Select(project => project.Name)
                .Where(name => ProjectFile(name).Contains("AllowUnsafeBlocks", StringComparison.Ordinal)),
        ];
        CollectionAssert.AreEquivalent(new[] { "MlNetTransfer.Imaging", "MlNetTransfer.Onnx" }, allowed);
    }

    private static string ProjectFile(string name) => File.ReadAllText(Path.Combine(Root, name, $"{name}.csproj"));

    /// <summary>One place opens sessions, counts them and says why one cannot be opened.</summary>
    [TestMethod]
    public void Sessions_AreOpenedInOrtSessionAlone()
    {
        string[] found =
        [
            .. Sources
                .Where(s =>
                    s.Text.Split('\n')
                        .Where(line => !line.TrimStart().StartsWith("//", StringComparison.Ordinal))
                        .Any(line => Session().IsMatch(line))
                )
                .Select(s => s.Path),
        ];
        CollectionAssert.AreEqual(new[] { "MlNetTransfer.Onnx/Runtime/OrtSession.cs" }, found);
    }

    /// <summary>Programs come from packages, whose digests the lock files hold.</summary>
    [TestMethod]
    public void Files_OfTheRepository_AreNoBinaries()
    {
        string[] tops = ["src", "tests", "docs", "data-samples", "models"];
        string[] found =
        [
            .. tops.Select(Repository.At)
                .SelectMany(top => Directory.EnumerateFiles(top, "*", SearchOption.AllDirectories))
                .Where(path => !path.Split('/', '\\').Intersect(["bin", "obj", "node_modules"]).Any())
                .Where(IsProgram),
        ];
        CollectionAssert.AreEqual(Array.Empty<string>(), found);

        static bool IsProgram(string path)
        {
            using FileStream file = File.OpenRead(path);
            Span<byte> start = stackalloc byte[4];
            int read = file.ReadAtLeast(start, start.Length, throwOnEndOfStream: false);
            return read == start.Length
                && (
                    start.SequenceEqual("\u007fELF"u8)
                    || start.StartsWith("MZ"u8)
                    || start.SequenceEqual((ReadOnlySpan<byte>)[0xCF, 0xFA, 0xED, 0xFE])
                );
        }
    }

    [GeneratedRegex(@"^namespace ([\w.]+);", RegexOptions.Multiline)]
    private static partial Regex Namespace();

    [GeneratedRegex(@"<ProjectReference Include=""[^""]*/([\w.]+)\.csproj""")]
    private static partial Regex Reference();

    [GeneratedRegex(@"\bMlNetTransfer\.(\w+)")]
    private static partial Regex Used();

    [GeneratedRegex(@"^(?:public|internal)[\w ]* (?:class|record|struct|interface|enum) (\w+)", RegexOptions.Multiline)]
    private static partial Regex TypeNames();

    [GeneratedRegex(@"\$?""(?:[^""\\]|\\.)*""")]
    private static partial Regex Strings();

    [GeneratedRegex(@"\bInferenceSession\b")]
    private static partial Regex Session();

    [GeneratedRegex(@"^\s*(?:\w+ )*unsafe\b", RegexOptions.Multiline)]
    private static partial Regex Unsafe();
}
