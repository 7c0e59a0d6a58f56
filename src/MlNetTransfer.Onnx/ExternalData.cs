using System.Globalization;
using Google.Protobuf;
using MlNetTransfer.Onnx.Proto;

namespace MlNetTransfer.Onnx;

/// <summary>
/// Tensors whose values lie in files beside the model. They are read in; a path that leaves the model's folder is
/// refused.
/// </summary>
internal static class ExternalData
{
    public static bool IsExternal(TensorProto tensor) => tensor.DataLocation == TensorProto.Types.DataLocation.External;

    public static IEnumerable<TensorProto> TensorsOf(ModelProto model) =>
        TensorsOf(model.Graph)
            .Concat(model.Functions.SelectMany(f => f.Node).SelectMany(TensorsOf))
            .Concat(
                model
                    .TrainingInfo.SelectMany(t => new[] { t.Initialization, t.Algorithm })
                    .Where(g => g is not null)
                    .SelectMany(TensorsOf)
            );

    public static void ReadInto(ModelProto model, string modelPath, OnnxLimits limits)
    {
        string folder = Path.GetDirectoryName(RealPath(Path.GetFullPath(modelPath)))!;
        long total = 0;
        foreach (TensorProto tensor in TensorsOf(model).Where(IsExternal))
        {
            string what = $"Tensor '{tensor.Name}' of {modelPath}";
            Dictionary<string, string> entries = tensor
                .ExternalData.GroupBy(e => e.Key)
                .ToDictionary(g => g.Key, g => g.Last().Value);
            string file = FileWithin(folder, entries.GetValueOrDefault("location", ""), what);
            using FileStream stream = RegularFile.OpenRead(file);
            long offset = Number(entries, "offset", 0, what);
            long length = Number(entries, "length", stream.Length - offset, what);
            if (offset > stream.Length || length > stream.Length - offset || length < 0)
                throw new GraphException(
                    $"{what} should lie at bytes {offset:N0} to {offset + length:N0} of {file}, which has "
                        + $"{stream.Length:N0} bytes. Copy the external data again; it is cut short or belongs to "
                        + $"another model."
                );
            if (TensorData.ByteLength(tensor) is long expected && expected != length)
                throw new GraphException(
                    $"{what} has {length:N0} bytes in {file}; its type and shape need {expected:N0}. The external "
                        + $"data belongs to another model."
                );
            if ((total += length) > limits.MaxExternalBytes)
                throw new GraphException(
                    $"The external data of {modelPath} exceeds {limits.MaxExternalBytes:N0} bytes. Raise "
                        + $"{nameof(OnnxLimits)}.{nameof(OnnxLimits.MaxExternalBytes)}."
                );
            if (length > Array.MaxLength)
                throw new GraphException(
                    $"{what} has {length:N0} bytes; at most {Array.MaxLength:N0} can be read. Split the weight."
                );
            stream.Position = offset;
            byte[] bytes = new byte[length];
            stream.ReadExactly(bytes);
            tensor.RawData = UnsafeByteOperations.UnsafeWrap(bytes);
            tensor.ExternalData.Clear();
            tensor.ClearDataLocation();
        }
    }

    private static IEnumerable<TensorProto> TensorsOf(GraphProto graph) =>
        graph
            .Initializer.Concat(
                graph.SparseInitializer.SelectMany(s => new[] { s.Values, s.Indices }).Where(t => t is not null)
            )
            .Concat(graph.Node.SelectMany(TensorsOf));

    private static IEnumerable<TensorProto> TensorsOf(NodeProto node)
    {
        foreach (AttributeProto attribute in node.Attribute)
        {
            if (attribute.T is not null)
                yield return attribute.T;
            foreach (TensorProto tensor in attribute.Tensors)
                yield return tensor;
            foreach (
                SparseTensorProto sparse in attribute.SparseTensor is null
                    ? attribute.SparseTensors
                    : attribute.SparseTensors.Append(attribute.SparseTensor)
            )
            {
                if (sparse.Values is not null)
                    yield return sparse.Values;
                if (sparse.Indices is not null)
                    yield return sparse.Indices;
            }

            foreach (GraphProto graph in Subgraphs.Of(attribute))
            foreach (TensorProto tensor in TensorsOf(graph))
                yield return tensor;
        }
    }

    private static string FileWithin(string folder, string location, string what)
    {
        string refusal =
            $"{what} names external data at '{location}'. External data must be a file in the model's own folder, "
            + $"{folder}: no absolute path, no '..', no link that leads out. Save the model again with its data "
            + $"beside it.";
        string[] parts = location.Split('/', '\\');
        if (
            location.Length == 0
            || Path.IsPathRooted(location)
            || location.Contains(':')
            || location.Contains('\0')
            || parts.Any(p => p is ".." or "")
        )
            throw new GraphException(refusal);
        string file = RealPath(Path.Combine([folder, .. parts]));
        string prefix = Path.EndsInDirectorySeparator(folder) ? folder : folder + Path.DirectorySeparatorChar;
        return file.StartsWith(prefix, StringComparison.Ordinal) ? file : throw new GraphException(refusal);
    }

    /// <summary>The path with every symbolic link on the way resolved, folders included.</summary>
    private static string RealPath(string path, int depth = 0)
    {
        if (depth > 40)
            throw new GraphException($"{path} is a chain of more than 40 links. Give the file itself.");
        string? parent = Path.GetDirectoryName(path);
        if (parent is null)
            return path;
        string here = Path.Combine(RealPath(parent, depth), Path.GetFileName(path));
        FileSystemInfo info = Directory.Exists(here) ? new DirectoryInfo(here) : new FileInfo(here);
        return info.LinkTarget is { } target
            ? RealPath(Path.GetFullPath(target, Path.GetDirectoryName(here)!), depth + 1)
            : here;
    }

    private static long Number(Dictionary<string, string> entries, string key, long missing, string what)
    {
        if (!entries.TryGetValue(key, out string? text))
            return missing;
        return long.TryParse(text, NumberStyles.None, CultureInfo.InvariantCulture, out long value)
            ? value
            : throw new GraphException(
                $"{what} has {key} '{text}' for its external data; expected a number of bytes, 0 or more."
            );
    }
}

/// <summary>Writes a model whose weights lie in one file beside it.</summary>
internal static class ExternalDataWriter
{
    /// <summary>Smaller tensors, such as the sizes that shape inference reads, stay in the model.</summary>
    private const int LeastBytes = 1024;

    /// <summary>Weights begin at multiples of this, so that a runtime can map the file.</summary>
    private const int Alignment = 4096;

    /// <summary>Writes the weights, then the model that names them.</summary>
    public static void Write(ModelProto model, string path)
    {
        string location = Path.GetFileName(path) + ".data";
        ModelProto light = model.Clone();
        TensorProto[] tensors =
        [
            .. ExternalData.TensorsOf(light).Where(t => t.HasRawData && t.RawData.Length >= LeastBytes),
        ];
        AtomicFile.Write(
            Path.Combine(Path.GetDirectoryName(Path.GetFullPath(path))!, location),
            stream => Write(tensors, location, stream)
        );
        AtomicFile.Write(path, light.WriteTo);
    }

    private static void Write(TensorProto[] tensors, string location, Stream stream)
    {
        long written = 0;
        byte[] padding = new byte[Alignment];
        foreach (TensorProto tensor in tensors)
        {
            int gap = (int)(-written & (Alignment - 1));
            stream.Write(padding, 0, gap);
            written += gap;
            tensor.RawData.WriteTo(stream);
            Refer(tensor, location, written);
            written += tensor.RawData.Length;
            tensor.ClearRawData();
        }
    }

    private static void Refer(TensorProto tensor, string location, long offset)
    {
        tensor.ExternalData.Clear();
        tensor.ExternalData.Add(new StringStringEntryProto { Key = "location", Value = location });
        tensor.ExternalData.Add(
            new StringStringEntryProto { Key = "offset", Value = offset.ToString(CultureInfo.InvariantCulture) }
        );
        tensor.ExternalData.Add(
            new StringStringEntryProto
            {
                Key = "length",
                Value = tensor.RawData.Length.ToString(CultureInfo.InvariantCulture),
            }
        );
        tensor.DataLocation = TensorProto.Types.DataLocation.External;
    }
}
