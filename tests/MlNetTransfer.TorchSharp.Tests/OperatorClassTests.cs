using System.Collections.Immutable;
using System.Reflection;
using Microsoft.CodeAnalysis;
using Microsoft.CodeAnalysis.CSharp;
using MlNetTransfer.Onnx;
using MlNetTransfer.Onnx.Tests.Torch;
using MlNetTransfer.Onnx.Torch;
using MlNetTransfer.Tests.Shared;
using static TorchSharp.torch;

namespace MlNetTransfer.TorchSharp.Tests;

/// <summary>
/// The C# of each operator, compiled and run in TorchSharp. Oracle: ONNX Runtime on the graph that it was written from.
/// </summary>
[TestClass]
public sealed class OperatorClassTests
{
    /// <summary>A few roundings of numbers up to some tens; an exponential amplifies them.</summary>
    private const double Tolerance = 2e-5;

    [TestMethod]
    public void Class_OfEveryOperator_GivesWhatOnnxRuntimeGives()
    {
        InTorch.Require();
        using TempFolder folder = new();
        foreach ((string name, OnnxModel model) in OperatorCases.All)
            TorchSharpExport.Write(model, folder.Path, name, new TorchExportOptions { Namespace = $"Exported.{name}" });
        // With them the listing of a whole network, which is compared with what is written of it elsewhere.
        Assembly compiled = Compile([
            File.ReadAllText(Repository.At("tests/MlNetTransfer.Onnx.Tests/Torch/ResNet18.cs.txt")),
            .. OperatorCases.All.Select(c => File.ReadAllText(folder.File($"{c.Name}.cs"))),
        ]);
        foreach ((string name, OnnxModel model) in OperatorCases.All)
        {
            using IDisposable scope = NewDisposeScope();
            Type type = compiled.GetType($"Exported.{name}.{name}", throwOnError: true)!;
            var net = (nn.Module<Tensor, Tensor>)Activator.CreateInstance(type)!;
            net.load(folder.File($"{name}.dat"));
            net.eval();
            int[] shape = [.. model.DeclaredShape("x")!.Dimensions.Skip(1).Select(d => (int)d.Size!.Value)];
            foreach (int rows in new[] { 2, 5 })
            {
                int length = rows * shape.Aggregate(1, (a, b) => a * b);
                float[] x = [.. Enumerable.Range(0, length).Select(i => (float)Math.Sin(i * 0.37 + rows))];
                float[] expected = Ort.Run(model, ("x", x, [rows, .. shape]))["y"];
                using Tensor input = tensor(x, [rows, .. shape.Select(s => (long)s)]);
                float[] found = net.call(input).contiguous().data<float>().ToArray();
                Assert.HasCount(expected.Length, found, name);
                for (int i = 0; i < expected.Length; i++)
                {
                    double allowed = Tolerance * Math.Max(1, Math.Abs(expected[i]));
                    Assert.AreEqual(expected[i], found[i], allowed, $"{name}[{i}]");
                }
            }
        }
    }

    /// <summary>Their blocks have the same names, and lie within each class.</summary>
    [TestMethod]
    public void Classes_OfTwoModels_StandInOneProject()
    {
        string first = File.ReadAllText(Repository.At("tests/MlNetTransfer.Onnx.Tests/Torch/ResNet18.cs.txt"));
        Assembly compiled = Compile([first, first.Replace("ResNet18", "Other18", StringComparison.Ordinal)]);
        CollectionAssert.AreEquivalent(
            new[] { "ResNet18", "Other18" },
            compiled
                .GetTypes()
                .Where(t => t is { IsNested: false, Namespace: "Acme.Vision" })
                .Select(t => t.Name)
                .ToArray()
        );
    }

    /// <summary>As the project of a user does whose C# is of version 12.</summary>
    private static Assembly Compile(string[] sources)
    {
        // Which every project of the SDK leaves out: a reference to a framework older than the one that runs.
        KeyValuePair<string, ReportDiagnostic> unified = new("CS1701", ReportDiagnostic.Suppress);
        string[] platform = ((string)AppContext.GetData("TRUSTED_PLATFORM_ASSEMBLIES")!).Split(Path.PathSeparator);
        CSharpParseOptions version = CSharpParseOptions.Default.WithLanguageVersion(LanguageVersion.CSharp12);
        CSharpCompilation compilation = CSharpCompilation.Create(
            "Exported",
            sources.Select(s => CSharpSyntaxTree.ParseText(s, version)),
            platform
                .Where(p => p.EndsWith(".dll", StringComparison.Ordinal))
                .Select(p => MetadataReference.CreateFromFile(p)),
            new CSharpCompilationOptions(OutputKind.DynamicallyLinkedLibrary, specificDiagnosticOptions: [unified])
        );
        using MemoryStream stream = new();
        ImmutableArray<Diagnostic> said = compilation.Emit(stream).Diagnostics;
        Diagnostic[] complaints = [.. said.Where(d => d.Severity >= DiagnosticSeverity.Warning)];
        Assert.IsEmpty(complaints, string.Join('\n', complaints.Take(10)));
        return Assembly.Load(stream.ToArray());
    }
}
