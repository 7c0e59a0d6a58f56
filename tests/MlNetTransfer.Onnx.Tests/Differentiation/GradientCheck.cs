using System.Runtime.InteropServices;
using System.Text.Json;
using MlNetTransfer.Onnx.Differentiation;
using MlNetTransfer.Onnx.Kernels;
using MlNetTransfer.Tests.Shared;

namespace MlNetTransfer.Onnx.Tests.Differentiation;

/// <summary>
/// Compares gradients with PyTorch's in float64, and with central differences of ONNX Runtime's own forward pass. All
/// cases given at once share one Python process, since importing torch takes seconds: make one test of a class call
/// this once.
/// </summary>
internal static class GradientCheck
{
    private const string Script = """
        import json, sys, numpy as np, torch, torch.nn.functional as F
        torch.set_num_threads(1)
        folder = sys.argv[1]
        values = np.fromfile(folder + "/in.f32", dtype=np.float32)
        at, out = 0, []
        def take(shape):
            global at
            n = int(np.prod(shape, dtype=np.int64)); at += n
            return torch.from_numpy(values[at - n:at].astype(np.float64).reshape(shape))
        for case in json.load(open(folder + "/cases.json")):
            names = {"torch": torch, "F": F, "np": np}
            for name, shape in case["tensors"]: names[name] = take(shape).requires_grad_(name in case["wanted"])
            dy = take(case["dy"])
            try:
                y = eval(case["torch"], names)
                assert list(y.shape) == case["dy"], f"y is {list(y.shape)}, expected {case['dy']}"
                grads = torch.autograd.grad(y, [names[w] for w in case["wanted"]], dy, allow_unused=True)
            except Exception as problem:
                raise RuntimeError(case["name"]) from problem
            out.append(y.detach().numpy().ravel())
            out += [(torch.zeros_like(names[w]) if g is None else g).numpy().ravel() for w, g in zip(case["wanted"], grads)]
        np.concatenate(out).astype(np.float64).tofile(folder + "/out.f64")
        """;

    /// <summary>Fails with every case and tensor whose values or gradients are not PyTorch's.</summary>
    public static void AgainstTorch(params GradientCase[] cases)
    {
        Python.Require("torch");
        Prepared[] prepared = [.. cases.Select(Prepare)];
        using TempFolder folder = new();
        using (FileStream file = File.Create(folder.File("in.f32")))
            foreach (
                float[] values in prepared.SelectMany(p => p.Tensors.Select(t => t.Values).Append(p.OutputGradient))
            )
                file.Write(MemoryMarshal.AsBytes(values.AsSpan()));
        File.WriteAllText(
            folder.File("cases.json"),
            JsonSerializer.Serialize(
                prepared.Select(p => new
                {
                    name = p.Case.Name,
                    torch = p.Case.Torch,
                    tensors = p.Tensors.Select(t => new object[] { t.Name, t.Shape }),
                    wanted = p.Wanted,
                    dy = p.OutputShape,
                })
            )
        );
        Python.Run(Script, folder.Path);
        double[] expected = MemoryMarshal.Cast<byte, double>(File.ReadAllBytes(folder.File("out.f64"))).ToArray();
        int at = 0;
        string[] problems = [.. prepared.SelectMany(p => Compare(p, expected, ref at))];
        Assert.AreEqual(expected.Length, at, "values that PyTorch gave");
        Assert.AreEqual("", string.Join('\n', problems));
    }

    private sealed record Prepared(
        GradientCase Case,
        OnnxModel Model,
        OnnxModel ByKernels,
        string[] Wanted,
        (string Name, long[] Shape, float[] Values)[] Tensors,
        long[] OutputShape,
        float[] OutputGradient
    );

    private static Prepared Prepare(GradientCase test)
    {
        try
        {
            string[] wanted = [.. test.Wanted ?? [.. test.Tensors.Select(t => t.Name)]];
            OnnxModel model = Differentiator.VectorJacobianProduct(test.Model, "y", wanted, test.BatchSize, "dy");
            long[] shape = [.. model.DeclaredShape("dy")!.Dimensions.Select(d => d.Size!.Value)];
            (string, long[], float[])[] tensors =
            [
                .. test.Tensors.Select(t => (t.Name, t.Shape, test.ValuesOf(t.Name, t.Shape))),
            ];
            // Kernels are made for the values of constants.
            OnnxModel kernels = Differentiator.ProductByKernels(
                WithValues(test.Model, tensors, []),
                "y",
                wanted,
                test.BatchSize,
                "dy"
            );
            return new Prepared(
                test,
                model,
                kernels,
                wanted,
                tensors,
                shape,
                GradientCase.Draw($"{test.Name}/dy", shape)
            );
        }
        catch (Exception cause) when (cause is GraphException or KeyNotFoundException or InvalidOperationException)
        {
            throw new AssertFailedException($"{test.Name}: {cause.Message}", cause);
        }
    }

    private static List<string> Compare(Prepared test, double[] expected, ref int at)
    {
        List<string> problems = [];
        Dictionary<string, float[]> actual = Run(test, []);
        int start = at;
        Compare(test, actual, "", expected, ref at, problems);
        Compare(test, Run(test with { Model = test.ByKernels }, []), " by kernels", expected, ref start, problems);
        if (test.Case.Differences)
            problems.AddRange(test.Wanted.Select(w => Difference(test, actual, w)).OfType<string>());
        return problems;
    }

    private static void Compare(
        Prepared test,
        Dictionary<string, float[]> actual,
        string how,
        double[] expected,
        ref int at,
        List<string> problems
    )
    {
        foreach (string name in test.Wanted.Select(w => $"gradient_of/{w}").Prepend("y"))
        {
            double[] right = expected[at..(at += actual[name].Length)];
            double scale = Math.Max(right.Max(Math.Abs), 1e-3),
                error = right.Zip(actual[name], (r, a) => Math.Abs(r - a)).Aggregate(0.0, Math.Max) / scale;
            if (!(error <= test.Case.Tolerance))
                problems.Add(
                    string.Create(
                        System.Globalization.CultureInfo.InvariantCulture,
                        $"{test.Case.Name}{how}: {name} is off by {error:g3} of its largest value {scale:g3}; allowed "
                            + $"{test.Case.Tolerance:g2}. PyTorch "
                            + $"{string.Join(' ', right.Take(6).Select(v => v.ToString("g4", null)))}; here "
                            + $"{string.Join(' ', actual[name].Take(6).Select(v => v.ToString("g4", null)))}"
                    )
                );
        }
    }

    /// <summary>
    /// ⟨dy, (f(v + εd) - f(v - εd)) / 2ε⟩ against ⟨gradient, d⟩ along the gradient's own direction, where the
    /// derivative is largest. Tolerance 2 %: float32 leaves 2⁻²⁴/ε ≈ 1e-4 of the value, which may be a hundred times
    /// the derivative, and ε² curves the rest.
    /// </summary>
    private static string? Difference(Prepared test, Dictionary<string, float[]> actual, string wanted)
    {
        float[] gradient = actual[$"gradient_of/{wanted}"];
        double norm = Math.Sqrt(gradient.Sum(g => (double)g * g));
        if (norm == 0)
            return null;
        const double Step = 4e-3;
        double slope = 0;
        foreach (int sign in new[] { 1, -1 })
        {
            float[] moved =
            [
                .. test
                    .Tensors.First(t => t.Name == wanted)
                    .Values.Zip(gradient, (v, g) => (float)(v + sign * Step * g / norm)),
            ];
            slope +=
                sign
                * Run(test, new Dictionary<string, float[]> { [wanted] = moved })["y"]
                    .Zip(test.OutputGradient, (y, d) => (double)y * d)
                    .Sum()
                / (2 * Step);
        }

        return Math.Abs(slope - norm) <= 0.02 * norm
            ? null
            : FormattableString.Invariant(
                $"{test.Case.Name}: along the gradient of {wanted}, {norm:g5} long, differences rise by {slope:g5}"
            );
    }

    private static Dictionary<string, float[]> Run(Prepared test, Dictionary<string, float[]> moved)
    {
        HashSet<string> inputs = [.. test.Model.Inputs.Select(i => i.Name)];
        OnnxModel model = WithValues(test.Model, test.Tensors, moved);
        return Ort.Run(
            model,
            optimise: true,
            KernelRegistry.AddTo,
            [
                .. test
                    .Tensors.Where(t => inputs.Contains(t.Name))
                    .Select(t =>
                        (t.Name, moved.GetValueOrDefault(t.Name, t.Values), t.Shape.Select(s => (int)s).ToArray())
                    ),
                ("dy", test.OutputGradient, [.. test.OutputShape.Select(s => (int)s)]),
            ]
        );
    }

    /// <summary>The model with the values of its initializers, some of them moved.</summary>
    private static OnnxModel WithValues(
        OnnxModel model,
        (string Name, long[] Shape, float[] Values)[] tensors,
        Dictionary<string, float[]> moved
    ) =>
        model.With(proto =>
        {
            foreach ((string name, long[] shape, float[] values) in tensors)
                for (int i = 0; i < proto.Graph.Initializer.Count; i++)
                    if (proto.Graph.Initializer[i].Name == name)
                        proto.Graph.Initializer[i] = TensorData.Floats(
                            name,
                            moved.GetValueOrDefault(name, values),
                            shape
                        );
        });
}
