using MlNetTransfer.Onnx.Differentiation;
using MlNetTransfer.Onnx.Proto;
using DataType = MlNetTransfer.Onnx.Proto.TensorProto.Types.DataType;

namespace MlNetTransfer.Onnx.Torch.Conversion;

/// <summary>
/// What is known of a graph's tensors before it runs: shapes, and the values of those that do not depend on the image.
/// </summary>
/// <remarks>
/// Found at two batch sizes, so that what differs is what follows the batch; where the model fixes its batch, at that
/// one.
/// </remarks>
internal sealed class GraphTrace
{
    private readonly IReadOnlyDictionary<string, TensorShape> shapes;
    private readonly IReadOnlyDictionary<string, (DataType Type, long?[] Values)> values;
    private readonly HashSet<string> constants;

    private GraphTrace(
        IReadOnlyDictionary<string, TensorShape> shapes,
        IReadOnlyDictionary<string, (DataType Type, long?[] Values)> values,
        HashSet<string> constants
    ) => (this.shapes, this.values, this.constants) = (shapes, values, constants);

    /// <summary>Traces a model of one input.</summary>
    public static GraphTrace Of(OnnxModel model)
    {
        long? batch = TensorShape.From(model.Inputs[0])!.Dimensions[0].Size;
        int[] sizes = batch is { } fixedSize ? [(int)fixedSize] : [2, 3];
        (HashSet<string> independent, HashSet<string> constant) = Independent(model);
        List<string> all = [.. model.TopologicalOrder().SelectMany(n => n.Output).Where(o => o.Length > 0)];
        Dictionary<string, TensorShape>[] found = new Dictionary<string, TensorShape>[sizes.Length];
        Dictionary<string, (DataType, long?[])>[] read = new Dictionary<string, (DataType, long?[])>[sizes.Length];
        for (int i = 0; i < sizes.Length; i++)
        {
            OnnxModel at = BatchSize.Fix(model, sizes[i]);
            found[i] = Known(at);
            foreach ((string name, TensorShape shape) in StaticShapes.Of(at, all))
                found[i][name] = shape;
            string[] wanted =
            [
                .. all.Where(t =>
                    independent.Contains(t)
                    && found[i][t].ElementType is DataType.Int64 or DataType.Int32 or DataType.Bool
                ),
            ];
            read[i] = wanted.Length == 0 ? [] : IntegerValues.Of(at, wanted);
        }

        return new GraphTrace(
            found[0]
                .ToDictionary(
                    e => e.Key,
                    e => e.Value with { Dimensions = Merge(e.Value.Dimensions, found[^1][e.Key].Dimensions) }
                ),
            read[0]
                .Where(e => e.Value.Item2.Length == read[^1][e.Key].Item2.Length)
                .ToDictionary(e => e.Key, e => (e.Value.Item1, Merge(e.Value.Item2, read[^1][e.Key].Item2))),
            constant
        );
    }

    /// <summary>Sizes of a tensor; null for one that follows the batch.</summary>
    public long?[] Shape(string tensor) =>
        shapes.TryGetValue(tensor, out TensorShape? shape)
            ? [.. shape.Dimensions.Select(d => d.Size)]
            : throw new GraphException($"The shape of tensor '{tensor}' is not known.");

    public DataType Type(string tensor) => shapes[tensor].ElementType;

    /// <summary>
    /// Values of an integer tensor that does not depend on the image, null for one that follows the batch; null where
    /// the tensor is another.
    /// </summary>
    public long?[]? Integers(string tensor) =>
        values.TryGetValue(tensor, out (DataType, long?[] Values) found) ? found.Values : null;

    /// <summary>Whether a tensor is computed from constants alone.</summary>
    public bool IsConstant(string tensor) => constants.Contains(tensor);

    private static Dictionary<string, TensorShape> Known(OnnxModel model)
    {
        Dictionary<string, TensorShape> known = model.Inputs.ToDictionary(i => i.Name, i => TensorShape.From(i)!);
        foreach (TensorProto constant in model.Initializers)
            known[constant.Name] = new TensorShape(
                (DataType)constant.DataType,
                [.. constant.Dims.Select(d => new Dimension(d))]
            );
        return known;
    }

    /// <summary>
    /// Tensors whose values do not depend on the input's values (a shape does not), and those that depend on nothing.
    /// </summary>
    private static (HashSet<string> Independent, HashSet<string> Constant) Independent(OnnxModel model)
    {
        HashSet<string> independent = [.. model.Initializers.Select(i => i.Name)],
            constant = [.. independent];
        foreach (NodeProto node in model.TopologicalOrder())
        {
            string[] needed = [.. Subgraphs.NeededBy(node)];
            if (node.OpType is "Shape" or "Size" || needed.All(independent.Contains))
                independent.UnionWith(node.Output);
            if (needed.All(constant.Contains))
                constant.UnionWith(node.Output);
        }

        return (independent, constant);
    }

    private static Dimension[] Merge(IReadOnlyList<Dimension> a, IReadOnlyList<Dimension> b) =>
        [.. a.Zip(b, (x, y) => x.Size == y.Size ? x : new Dimension(null, "N"))];

    private static long?[] Merge(long?[] a, long?[] b) => [.. a.Zip(b, (x, y) => x == y ? x : null)];
}
