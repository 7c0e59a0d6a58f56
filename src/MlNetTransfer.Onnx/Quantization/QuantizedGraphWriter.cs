using System.Runtime.InteropServices;
using Google.Protobuf;
using MlNetTransfer.Onnx.Proto;
using DataType = MlNetTransfer.Onnx.Proto.TensorProto.Types.DataType;

namespace MlNetTransfer.Onnx.Quantization;

/// <summary>Writes a quantised model by a plan. A new writer per model.</summary>
internal sealed class QuantizedGraphWriter
{
    /// <summary>
    /// Steps of a bias on either side of zero, at most: leaves the sums of products their share of an int32.
    /// </summary>
    private const double MostBiasSteps = 1 << 30;

    private readonly OnnxModel model;
    private readonly QuantizationPlan plan;
    private readonly Dictionary<string, AffineQuantization> quantizations;
    private readonly WeightBits bits;
    private readonly HashSet<string> taken;
    private readonly List<TensorProto> constants = [];
    private readonly List<NodeProto> nodes = [];

    public QuantizedGraphWriter(
        OnnxModel model,
        QuantizationPlan plan,
        IReadOnlyDictionary<string, ValueRange> ranges,
        WeightBits bits
    )
    {
        (this.model, this.plan, this.bits) = (model, plan, bits);
        taken = [.. Subgraphs.DefinedAnywhere(model.Proto.Graph), .. model.Nodes.Select(n => n.Name)];
        quantizations = plan.Tensors.ToDictionary(t => t, t => Quantization(t, ranges));
    }

    public OnnxModel Write(IReadOnlyList<LayerNode> layers)
    {
        string[] outputs = [.. model.Outputs.Select(o => o.Name)];
        OnnxModel changed = model.With(proto =>
        {
            Dictionary<string, NodeProto> byName = proto.Graph.Node.ToDictionary(n => n.Name);
            string[] spared =
            [
                .. plan.OnBytes.Select(plan.Rectifier).OfType<NodeProto>().Where(IsDoneByRange).Select(r => r.Name),
            ];
            foreach (string name in spared)
                Remove(proto.Graph, byName[name]);
            foreach (string tensor in plan.Tensors)
                QuantizeActivation(proto.Graph, tensor);
            foreach (LayerNode layer in layers)
                QuantizeWeights(byName[layer.Node.Name], layer);
            proto.Graph.Node.AddRange(nodes);
            proto.Graph.Initializer.AddRange(constants);
        });
        return GraphCut.At(changed, outputs, typed: false);
    }

    private AffineQuantization Quantization(string tensor, IReadOnlyDictionary<string, ValueRange> ranges)
    {
        string source = plan.RangeOf(tensor);
        return ranges.TryGetValue(source, out ValueRange range)
            ? AffineQuantization.Of(range)
            : throw new GraphException(
                $"Tensor '{source}' has no range. Give one for each of {nameof(QuantizableGraph.Activations)}."
            );
    }

    /// <summary>Whether clipping to the range of bytes does what the rectifier does: its bounds are the ends.</summary>
    private bool IsDoneByRange(NodeProto rectifier)
    {
        AffineQuantization bytes = quantizations[rectifier.Output[0]];
        if (rectifier.OpType == "Relu")
            return bytes.Quantize(0) == byte.MinValue;
        return Bound(rectifier, 1, float.NegativeInfinity) is { } low
            && Bound(rectifier, 2, float.PositiveInfinity) is { } high
            && bytes.Quantize(low) == byte.MinValue
            && bytes.Quantize(high) == byte.MaxValue;
    }

    private float? Bound(NodeProto clip, int index, float missing)
    {
        if (clip.Input.Count <= index || clip.Input[index].Length == 0)
            return missing;
        return model.Initializers.FirstOrDefault(i => i.Name == clip.Input[index]) is { } constant
            ? TensorData.ToFloats(constant)[0]
            : null;
    }

    private static void Remove(GraphProto graph, NodeProto rectifier)
    {
        NodeProto before = graph.Node.Single(n => n.Output.Contains(rectifier.Input[0]));
        before.Output[before.Output.IndexOf(rectifier.Input[0])] = rectifier.Output[0];
        graph.Node.Remove(rectifier);
    }

    /// <summary>
    /// Everything that reads the tensor reads it through bytes, so that what makes it can give bytes alone.
    /// </summary>
    private void QuantizeActivation(GraphProto graph, string tensor)
    {
        AffineQuantization bytes = quantizations[tensor];
        string scale = Constant(TensorData.Floats(Name($"{tensor}/scale"), [bytes.Scale])),
            zero = Constant(QuantizedTensors.Bytes(Name($"{tensor}/zero_point"), [bytes.ZeroPoint], []));
        string quantized = Name($"{tensor}/quantized"),
            back = Name($"{tensor}/dequantized");
        (string from, string to) =
            graph.Output.Any(o => o.Name == tensor)
            && graph.Node.FirstOrDefault(n => n.Output.Contains(tensor)) is { } maker
                ? (Renamed(maker, tensor), tensor)
                : (tensor, back);
        foreach (NodeProto user in graph.Node)
            for (int i = 0; i < user.Input.Count; i++)
                if (user.Input[i] == tensor)
                    user.Input[i] = to;
        nodes.Add(
            new NodeProto
            {
                OpType = "QuantizeLinear",
                Name = quantized,
                Input = { from, scale, zero },
                Output = { quantized },
            }
        );
        nodes.Add(
            new NodeProto
            {
                OpType = "DequantizeLinear",
                Name = back,
                Input = { quantized, scale, zero },
                Output = { to },
            }
        );
    }

    /// <summary>
    /// Gives a node's output another name, so that the output of the graph that it was can be read through bytes too.
    /// </summary>
    private string Renamed(NodeProto maker, string tensor)
    {
        int place = maker.Output.IndexOf(tensor);
        return maker.Output[place] = Name($"{tensor}/float");
    }

    private void QuantizeWeights(NodeProto node, LayerNode layer)
    {
        float input = quantizations[layer.Node.Input[0]].Scale;
        float[] bias = layer.Bias is null ? [] : TensorData.ToFloats(layer.Bias);
        float[] least = Array.ConvertAll(bias, b => (float)(Math.Abs(b) / (input * MostBiasSteps)));
        QuantizedWeights weights = QuantizedWeights.Of(
            TensorData.ToFloats(layer.Weights),
            layer.Channels,
            layer.Inner,
            bits,
            least
        );
        string scales = Constant(TensorData.Floats(Name($"{node.Name}/weight_scale"), weights.Scales, layer.Channels));
        string zeros = Constant(
            QuantizedTensors.SignedBytes(
                Name($"{node.Name}/weight_zero_point"),
                new sbyte[layer.Channels],
                [layer.Channels]
            )
        );
        node.Input[1] = Dequantized(
            $"{node.Name}/weight",
            QuantizedTensors.SignedBytes(Name($"{node.Name}/weight"), weights.Values, layer.Weights.Dims),
            scales,
            zeros,
            layer.Axis
        );
        if (layer.Bias is null)
            return;
        float[] steps = Array.ConvertAll(weights.Scales, s => s * input);
        int[] whole = [.. bias.Zip(steps, (b, s) => (int)Math.Round((double)b / s, MidpointRounding.ToEven))];
        string step = Constant(TensorData.Floats(Name($"{node.Name}/bias_scale"), steps, layer.Channels)),
            none = Constant(
                QuantizedTensors.Ints(Name($"{node.Name}/bias_zero_point"), new int[layer.Channels], [layer.Channels])
            );
        node.Input[2] = Dequantized(
            $"{node.Name}/bias",
            QuantizedTensors.Ints(Name($"{node.Name}/bias"), whole, [layer.Channels]),
            step,
            none,
            0
        );
    }

    private string Dequantized(string name, TensorProto values, string scale, string zero, int axis)
    {
        string back = Name($"{name}/dequantized");
        nodes.Add(
            new NodeProto
            {
                OpType = "DequantizeLinear",
                Name = back,
                Input = { Constant(values), scale, zero },
                Output = { back },
                Attribute = { Attributes.Of("axis", axis) },
            }
        );
        return back;
    }

    private string Constant(TensorProto tensor)
    {
        constants.Add(tensor);
        return tensor.Name;
    }

    private string Name(string wanted)
    {
        string free = NameAllocator.First(wanted, taken);
        taken.Add(free);
        return free;
    }
}

/// <summary>Makes the tensors of whole numbers that quantised models have.</summary>
internal static class QuantizedTensors
{
    public static TensorProto Bytes(string name, ReadOnlySpan<byte> values, IEnumerable<long> shape) =>
        Of(name, DataType.Uint8, values, shape);

    public static TensorProto SignedBytes(string name, ReadOnlySpan<sbyte> values, IEnumerable<long> shape) =>
        Of(name, DataType.Int8, MemoryMarshal.AsBytes(values), shape);

    public static TensorProto Ints(string name, ReadOnlySpan<int> values, IEnumerable<long> shape)
    {
        var bytes = new byte[values.Length * sizeof(int)];
        for (int i = 0; i < values.Length; i++)
            System.Buffers.Binary.BinaryPrimitives.WriteInt32LittleEndian(bytes.AsSpan(i * sizeof(int)), values[i]);
        return Of(name, DataType.Int32, bytes, shape);
    }

    private static TensorProto Of(string name, DataType type, ReadOnlySpan<byte> raw, IEnumerable<long> shape) =>
        new()
        {
            Name = name,
            DataType = (int)type,
            Dims = { shape },
            RawData = ByteString.CopyFrom(raw),
        };
}

/// <summary>
/// Weights in signed bytes, a scale for each output channel, and no zero point: weight = scale[channel] · value.
/// </summary>
/// <param name="Values">Quantised weights, in the layout of the float ones.</param>
/// <param name="Scales">Scales [channels], each above 0.</param>
public sealed record QuantizedWeights(sbyte[] Values, float[] Scales)
{
    /// <summary>
    /// Quantises weights: scale = max |w| / m over the channel, value = round(w / scale), halves to even, where m is
    /// 127, or 63 with <see cref="WeightBits.Seven"/>.
    /// </summary>
    /// <param name="weights">Weights [outer × channels × inner], row-major.</param>
    /// <param name="channels">Output channels.</param>
    /// <param name="inner">Values that lie together for a channel: kernel size for [out, in, h, w], 1 for [in,
    /// out].</param>
    /// <param name="bits">How much of the byte is used.</param>
    /// <param name="leastScales">Scales [channels] below which none may be, for biases that are kept in steps of it;
    /// null for no such bound. A channel of zeros takes its bound, or 1.</param>
    /// <exception cref="GraphException">A weight is not finite.</exception>
    public static QuantizedWeights Of(
        ReadOnlySpan<float> weights,
        int channels,
        int inner,
        WeightBits bits = WeightBits.Eight,
        ReadOnlySpan<float> leastScales = default
    )
    {
        float most = bits == WeightBits.Eight ? 127 : 63;
        var scales = new float[channels];
        for (int i = 0; i < weights.Length; i++)
        {
            if (!float.IsFinite(weights[i]))
                throw new GraphException(
                    FormattableString.Invariant(
                        $"Weight {i} is {weights[i]}; a finite number was expected. Train or export the model again."
                    )
                );
            ref float scale = ref scales[i / inner % channels];
            scale = Math.Max(scale, Math.Abs(weights[i]));
        }

        for (int c = 0; c < channels; c++)
        {
            float least = leastScales.IsEmpty ? 0 : leastScales[c];
            scales[c] = Math.Max(scales[c] / most, least);
            if (!float.IsNormal(scales[c]))
                scales[c] = 1;
        }

        var values = new sbyte[weights.Length];
        for (int i = 0; i < weights.Length; i++)
            values[i] = (sbyte)
                Math.Clamp(
                    MathF.Round(weights[i] / scales[i / inner % channels], MidpointRounding.ToEven),
                    -most,
                    most
                );
        return new QuantizedWeights(values, scales);
    }
}

/// <summary>How much of a signed byte weights use.</summary>
public enum WeightBits
{
    /// <summary>
    /// [-127, 127]. On x64 CPUs without VNNI instructions ONNX Runtime adds pairs of products in 16 bits, which can
    /// overflow: see <see cref="Seven"/>.
    /// </summary>
    Eight,

    /// <summary>
    /// [-63, 63]: two products of such a weight and an unsigned byte fit 16 bits (2 · 63 · 255 = 32,130), so that no
    /// CPU clips them. Half the precision of the weights.
    /// </summary>
    Seven,
}
