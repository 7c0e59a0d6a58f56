using System.Text;
using System.Text.RegularExpressions;
using MlNetTransfer.Onnx.Torch.Conversion;
using MlNetTransfer.Onnx.Torch.Modules;
using MlNetTransfer.Onnx.Torch.Sharp;

namespace MlNetTransfer.Onnx.Torch;

/// <summary>
/// Writes a model for TorchSharp: a C# class with the graph's own modules, and its state dictionary, which the class
/// loads strictly. Neither torch nor TorchSharp is needed.
/// </summary>
/// <example><code>
/// TorchSharpExport.Write(model, "out", "FlowerNet"); // in a project with TorchSharp and out/FlowerNet.cs: var net =
/// new FlowerNet(); net.load("out/FlowerNet.dat"); net.eval();
/// </code></example>
public static partial class TorchSharpExport
{
    /// <summary>Writes <c>NAME.cs</c> and <c>NAME.dat</c>, each whole or not at all.</summary>
    /// <param name="model">The model: one float32 input.</param>
    /// <param name="folder">The folder; it must exist.</param>
    /// <param name="name">Name of the class and of both files: letters, digits and underscores.</param>
    /// <param name="options">What to export; null for the first output.</param>
    /// <exception cref="GraphException">An operator has no counterpart in torch (nothing is written), or a file cannot
    /// be written.</exception>
    public static void Write(OnnxModel model, string folder, string name, TorchExportOptions? options = null)
    {
        TorchProgram program = TorchExport.Program(model, options);
        string code = Code(program, name, options?.Namespace, Summary(model, program));
        AtomicFile.Write(Path.Combine(folder, name + ".dat"), stream => DatWriter.Write([.. program.Tensors], stream));
        AtomicFile.Write(Path.Combine(folder, name + ".cs"), stream => stream.Write(Encoding.UTF8.GetBytes(code)));
    }

    /// <summary>The C# of a model.</summary>
    /// <param name="model">The model: one float32 input.</param>
    /// <param name="name">Name of the class.</param>
    /// <param name="options">What to export; null for the first output.</param>
    /// <exception cref="GraphException">An operator has no counterpart in torch.</exception>
    public static string Code(OnnxModel model, string name, TorchExportOptions? options = null)
    {
        TorchProgram program = TorchExport.Program(model, options);
        return Code(program, name, options?.Namespace, Summary(model, program));
    }

    /// <summary>Writes the state dictionary alone.</summary>
    /// <param name="model">The model: one float32 input.</param>
    /// <param name="stream">Where to.</param>
    /// <param name="options">What to export; null for the first output.</param>
    /// <exception cref="GraphException">An operator has no counterpart in torch.</exception>
    public static void WriteState(OnnxModel model, Stream stream, TorchExportOptions? options = null) =>
        DatWriter.Write([.. TorchExport.Program(model, options).Tensors], stream);

    private static string Summary(OnnxModel model, TorchProgram program)
    {
        string text = $"Takes {Described(model, program.Input)}, float32; returns {Described(model, program.Output)}.";
        return text.Replace("&", "&amp;", StringComparison.Ordinal).Replace("<", "&lt;", StringComparison.Ordinal);
    }

    private static string Described(OnnxModel model, string tensor)
    {
        string name = new([.. tensor.Where(c => !char.IsControl(c))]);
        return model.DeclaredShape(tensor) is { } shape
            ? $"{name} [{string.Join(", ", shape.Dimensions.Select((d, i) => i == 0 ? "N" : d.ToString()))}]"
            : name;
    }

    private static string Code(TorchProgram program, string name, string? space, string summary)
    {
        if (!ClassName().IsMatch(name))
            throw new ArgumentException(
                $"'{name}' is no name of a class: letters, digits and underscores, a letter first.",
                nameof(name)
            );
        if (space is not null && !space.Split('.').All(ClassName().IsMatch))
            throw new ArgumentException($"'{space}' is no namespace.", nameof(space));
        string classes = new SharpClasses(program.Root, name, summary).Code;
        return $"""
                // Exported by MlNetTransfer. Weights: {name}.dat, read by new {name}().load("{name}.dat").
                {(
                    classes.Contains("Func<", StringComparison.Ordinal)
                    || classes.Contains("ValueTuple", StringComparison.Ordinal)
                        ? "using System;\n"
                        : ""
                )}using TorchSharp;
                using TorchSharp.Modules;
                using static TorchSharp.torch;


                """.ReplaceLineEndings(
                "\n"
            )
            + (space is null ? "" : $"namespace {space};\n\n")
            + classes;
    }

    [GeneratedRegex("^[A-Za-z][A-Za-z0-9_]*$")]
    private static partial Regex ClassName();
}
