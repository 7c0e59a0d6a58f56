using Google.Protobuf;
using MlNetTransfer.Onnx.Proto;

namespace MlNetTransfer.Onnx;

/// <summary>
/// An ONNX model as data. Immutable: every operation returns a new model, and weights are shared between them, not
/// copied.
/// </summary>
/// <remarks>
/// Messages handed out (nodes, tensors) belong to the model: read them, do not change them; <see cref="With"/> makes a
/// changed model.
/// </remarks>
public sealed partial class OnnxModel
{
    internal OnnxModel(ModelProto proto) => Proto = proto;

    internal ModelProto Proto { get; }

    /// <summary>
    /// Reads an ONNX file and the external data beside it; external paths that leave the model's folder are refused.
    /// </summary>
    /// <param name="path">Path of the .onnx file.</param>
    /// <param name="limits">What the file may cost; null for the defaults.</param>
    /// <exception cref="GraphException">The file is missing, too large, not ONNX, cut short, or its external data does
    /// not fit; the message says which and how to mend it.</exception>
    public static OnnxModel Load(string path, OnnxLimits? limits = null) =>
        new(OnnxReader.Load(path, limits ?? new OnnxLimits()));

    /// <summary>
    /// Reads an ONNX model from memory; external data is refused, since there is no folder to find it in.
    /// </summary>
    /// <param name="bytes">The whole file.</param>
    /// <param name="limits">What the bytes may cost; null for the defaults.</param>
    /// <exception cref="GraphException">The bytes are not an ONNX model.</exception>
    public static OnnxModel Parse(byte[] bytes, OnnxLimits? limits = null) =>
        new(OnnxReader.Parse(bytes, $"The model of {bytes.Length:N0} bytes", limits ?? new OnnxLimits()));

    /// <summary>A model over a copy of a message made elsewhere.</summary>
    public static OnnxModel FromProto(ModelProto proto) => new(proto.Clone());

    /// <summary>A copy of the message, to be changed freely.</summary>
    public ModelProto ToProto() => Proto.Clone();

    /// <summary>A changed copy of this model.</summary>
    /// <param name="edit">Changes the copy it is given; it alone sees it.</param>
    public OnnxModel With(Action<ModelProto> edit)
    {
        ModelProto copy = Proto.Clone();
        edit(copy);
        return new OnnxModel(copy);
    }

    /// <summary>The model's bytes; equal models give equal bytes.</summary>
    /// <exception cref="GraphException">The model exceeds the 2 GiB of protobuf.</exception>
    public byte[] ToBytes()
    {
        CheckSize("The model");
        return Proto.ToByteArray();
    }

    /// <summary>
    /// Writes the model whole or not at all: on any failure a file that was there before stays as it was.
    /// </summary>
    /// <exception cref="GraphException">The file cannot be written, or the model exceeds the 2 GiB of protobuf; the
    /// message names the file.</exception>
    public void Save(string path)
    {
        CheckSize(path);
        AtomicFile.Write(path, Proto.WriteTo);
    }

    /// <summary>
    /// Writes the model, and where its weights have too many bytes for one file those of 1 KiB or more into
    /// "<paramref name="path"/>.data" beside it, first: they are one model and move together.
    /// </summary>
    /// <param name="path">The .onnx file.</param>
    /// <param name="externalAbove">Bytes of weights, 0 or more, above which they go beside it. Default: what a protobuf
    /// file can hold, 2 GiB less 1 MiB.</param>
    /// <returns>Whether the weights are beside it.</returns>
    /// <exception cref="GraphException">A file cannot be written; the message names it.</exception>
    public bool SaveWithExternalData(string path, long externalAbove = LargestFile)
    {
        ArgumentOutOfRangeException.ThrowIfNegative(externalAbove);
        if (WeightBytes <= Math.Min(externalAbove, LargestFile))
        {
            Save(path);
            return false;
        }

        ExternalDataWriter.Write(Proto, path);
        return true;
    }

    /// <summary>Nodes in the order of the file.</summary>
    public IReadOnlyList<NodeProto> Nodes => Proto.Graph.Node;

    /// <summary>Inputs that have to be fed: those with an initializer as default are left out.</summary>
    public IReadOnlyList<ValueInfoProto> Inputs
    {
        get
        {
            HashSet<string> defaults = [.. Initializers.Select(i => i.Name)];
            return [.. Proto.Graph.Input.Where(i => !defaults.Contains(i.Name))];
        }
    }

    /// <summary>Outputs in the order of the file.</summary>
    public IReadOnlyList<ValueInfoProto> Outputs => Proto.Graph.Output;

    /// <summary>Dense constants and weights in the order of the file.</summary>
    public IReadOnlyList<TensorProto> Initializers => Proto.Graph.Initializer;

    /// <summary>The metadata_props of the model; of a key given twice the last value counts.</summary>
    public IReadOnlyDictionary<string, string> Metadata =>
        Proto.MetadataProps.GroupBy(e => e.Key).ToDictionary(g => g.Key, g => g.Last().Value);

    /// <summary>Version of an operator set the model is written for; 0 where it does not import it.</summary>
    /// <param name="domain">Domain of the operators; empty for ONNX's own.</param>
    public int OpsetVersion(string domain = "") =>
        (int)(
            Proto
                .OpsetImport.FirstOrDefault(o =>
                    o.Domain == domain || (OperatorSets.IsDefault(domain) && OperatorSets.IsDefault(o.Domain))
                )
                ?.Version
            ?? 0
        );

    /// <summary>
    /// Declared type and shape of a tensor; null where the model does not state it (<see cref="TensorShapes"/> infers
    /// it).
    /// </summary>
    public TensorShape? DeclaredShape(string tensor) =>
        Proto
            .Graph.Input.Concat(Proto.Graph.Output)
            .Concat(Proto.Graph.ValueInfo)
            .Where(v => v.Name == tensor)
            .Select(TensorShape.From)
            .FirstOrDefault(s => s is not null);

    private const long LargestFile = int.MaxValue - (1 << 20);

    /// <summary>Bytes of the values of all constants and weights, those of attributes and subgraphs included.</summary>
    internal long WeightBytes => ExternalData.TensorsOf(Proto).Sum(t => TensorData.ByteLength(t) ?? t.RawData.Length);

    private void CheckSize(string what)
    {
        if (WeightBytes is var weights && weights > LargestFile)
            throw new GraphException(
                $"{what} would have more than {weights:N0} bytes; a protobuf file ends at {int.MaxValue:N0}. Save "
                    + $"it with {nameof(SaveWithExternalData)}, or cut the model."
            );
    }
}
