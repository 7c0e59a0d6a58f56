using Microsoft.ML.OnnxRuntime;
using MlNetTransfer.Onnx.Proto;
using MlNetTransfer.Onnx.Runtime;
using DataType = MlNetTransfer.Onnx.Proto.TensorProto.Types.DataType;

namespace MlNetTransfer.Onnx.Differentiation;

/// <summary>
/// A forward graph whose batch size is fixed, so that every shape is a constant of the backward pass.
/// </summary>
internal sealed class StaticGraph
{
    private readonly Dictionary<string, TensorShape> shapes;
    private readonly Dictionary<string, TensorProto> constants;

    private StaticGraph(OnnxModel model, Dictionary<string, TensorShape> shapes)
    {
        (Model, this.shapes) = (model, shapes);
        constants = model.Initializers.ToDictionary(i => i.Name);
        foreach (NodeProto node in model.Nodes.Where(n => n.OpType == "Constant"))
            if (node.Attribute.FirstOrDefault(a => a.Name == "value")?.T is { } value)
                constants.TryAdd(node.Output[0], value);
    }

    /// <summary>The graph with its batch size fixed, its nodes in topological order.</summary>
    public OnnxModel Model { get; }

    /// <summary>Fixes the batch size and finds the shapes of chosen tensors.</summary>
    /// <param name="model">The forward graph.</param>
    /// <param name="batchSize">Size of the first dimension of every input whose size is not fixed.</param>
    /// <param name="tensors">The tensors whose shapes are wanted.</param>
    /// <exception cref="GraphException">An input has another dynamic dimension or another batch size, or a shape is not
    /// static.</exception>
    public static StaticGraph Of(OnnxModel model, int batchSize, IReadOnlyCollection<string> tensors)
    {
        OnnxModel fixedModel = BatchSize.Fix(model, batchSize);
        Dictionary<string, TensorShape> shapes = [];
        foreach (ValueInfoProto input in fixedModel.Inputs)
            shapes[input.Name] = TensorShape.From(input)!;
        foreach (TensorProto constant in fixedModel.Initializers)
            shapes[constant.Name] = new((DataType)constant.DataType, [.. constant.Dims.Select(d => new Dimension(d))]);
        string[] unknown = [.. tensors.Where(t => !shapes.ContainsKey(t)).Distinct().Order(StringComparer.Ordinal)];
        if (unknown.Length > 0)
            foreach ((string name, TensorShape shape) in StaticShapes.Of(fixedModel, unknown))
                shapes[name] = shape;
        return new StaticGraph(fixedModel, shapes);
    }

    /// <summary>Sizes of a tensor, outermost first.</summary>
    public long[] Shape(string tensor) => [.. shapes[tensor].Dimensions.Select(d => d.Size!.Value)];

    /// <summary>Whether a tensor can have a gradient: it is of float32.</summary>
    public bool IsFloat(string tensor) =>
        shapes.TryGetValue(tensor, out TensorShape? shape) && shape.ElementType == DataType.Float;

    /// <summary>Whether a tensor has real values of any type.</summary>
    public bool IsReal(string tensor) =>
        shapes.TryGetValue(tensor, out TensorShape? shape)
        && shape.ElementType is (DataType.Float or DataType.Double or DataType.Float16 or DataType.Bfloat16);

    /// <summary>Values of an initializer or a Constant node; null where the tensor is computed.</summary>
    public TensorProto? Constant(string tensor) => constants.GetValueOrDefault(tensor);
}

/// <summary>
/// Shapes without a dynamic dimension: inferred, and where inference does not know them, found by running the graph
/// once.
/// </summary>
internal static class StaticShapes
{
    /// <param name="model">A model whose inputs have fixed shapes.</param>
    /// <param name="tensors">Outputs of nodes, at least one.</param>
    public static IReadOnlyDictionary<string, TensorShape> Of(OnnxModel model, IReadOnlyList<string> tensors)
    {
        Dictionary<string, TensorShape> shapes = new(TensorShapes.Of(model, tensors));
        // Of a tensor of which not even the number of dimensions is inferred, none is stated, as of a single number.
        string[] open = [.. tensors.Where(t => shapes[t].Rank == 0 || shapes[t].Dimensions.Any(d => d.Size is null))];
        if (open.Length == 0)
            return shapes;
        foreach ((string name, long[] sizes) in Run(model, open))
            shapes[name] = shapes[name] with { Dimensions = [.. sizes.Select(s => new Dimension(s))] };
        return shapes;
    }

    /// <summary>
    /// Runs the graph on zeros. Shapes that depend on the values of the input are not static; no image network has any.
    /// </summary>
    private static List<(string Name, long[] Sizes)> Run(OnnxModel model, IReadOnlyList<string> tensors)
    {
        OnnxModel cut = GraphCut.At(model, tensors, typed: false);
        try
        {
            using OrtSession session = new(cut.ToBytes(), OrtSettings.AsWritten, "the model");
            using IDisposableReadOnlyCollection<OrtValue> results = session.RunOnZeros(tensors);
            return [.. tensors.Zip(results, (name, value) => (name, value.GetTensorTypeAndShape().Shape))];
        }
        catch (Exception e) when (OrtSession.Said(e) is { } said)
        {
            throw new GraphException(
                $"The shapes of {string.Join(", ", tensors.Take(3))} are not known and the model cannot be run to "
                    + $"find them: {said}",
                e
            );
        }
    }
}
