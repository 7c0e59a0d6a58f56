using System.Text.Json;
using Microsoft.ML.OnnxRuntime.Tensors;
using MlNetTransfer.Imaging;
using MlNetTransfer.Onnx.Runtime;

namespace MlNetTransfer.Encoders;

/// <summary>
/// Turns the content of an item, the bytes of its file, into the tensors that a network takes. Immutable; it travels
/// with the backbone's card and the saved model and is never passed separately.
/// </summary>
/// <remarks>
/// The door for kinds of content: all that stands right of it (running, caching, heads, recipes, model files) knows
/// content by this alone. A new kind is a class here and a line in <see cref="EncoderKind"/>.
/// </remarks>
public abstract record ContentEncoder
{
    /// <summary>Its kind.</summary>
    public abstract EncoderKind Kind { get; }

    /// <summary>
    /// What it depends on besides code: an object that System.Text.Json writes, and <see cref="EncoderKind"/> reads
    /// again.
    /// </summary>
    public abstract object Settings { get; }

    /// <summary>
    /// Names the code, with its libraries, whose result it is: another version may give other numbers, so that what is
    /// cached under one is not found under another.
    /// </summary>
    public abstract string Version { get; }

    /// <summary>The tensors that one item becomes.</summary>
    public abstract IReadOnlyList<EncodedInput> Inputs { get; }

    /// <summary>What it makes of an item, in a line for people: "224 x 224 RGB, …".</summary>
    public abstract string Description { get; }

    /// <summary>Makes a worker with buffers of its own.</summary>
    /// <param name="limits">What an item may cost.</param>
    public abstract EncoderWorker CreateWorker(ImageLimits limits);

    /// <summary>What turns images into tensors, where that is what this encoder does.</summary>
    /// <param name="owner">What has the encoder, for the message: "Backbone 'x'".</param>
    /// <exception cref="TransferException">It takes something else; the message says what.</exception>
    public Preprocessing OfImages(string owner) =>
        this switch
        {
            ImageEncoder images => images.Preprocessing,
            ImageFormsEncoder several => throw new TransferException(
                $"{owner} takes each image in {several.Forms.Count} forms ({Description}), an input each; here there "
                    + $"must be one. Take networks with the same input, or one network."
            ),
            _ => throw new TransferException(
                $"{owner} takes {Kind.Label}, not images. Give it what it takes, or take one for " + "images."
            ),
        };
}

/// <summary>Encodes one item after another, in buffers of its own. Not thread-safe.</summary>
public abstract class EncoderWorker : IDisposable
{
    /// <summary>Writes the tensors of one item.</summary>
    /// <param name="content">The item's bytes, as a file would hold them.</param>
    /// <param name="target">Receives a tensor for each of <see cref="ContentEncoder.Inputs"/>.</param>
    /// <exception cref="ImageRejectedException">The content cannot be used; the reason goes to the ledger.</exception>
    public abstract void Encode(ReadOnlySpan<byte> content, EncodedItem target);

    /// <inheritdoc/>
    public virtual void Dispose() => GC.SuppressFinalize(this);
}

/// <summary>One of the tensors that an item becomes.</summary>
/// <param name="Name">Name of the graph's input; null for its only one, whatever that is called.</param>
/// <param name="Type">Type of its elements.</param>
/// <param name="Shape">Its dimensions, without that of the items run together.</param>
public sealed record EncodedInput(string? Name, ElementType Type, IReadOnlyList<int> Shape)
{
    internal TensorElementType OrtType => Type == ElementType.Token ? TensorElementType.Int64 : TensorElementType.Float;

    /// <summary>Whether a graph's input has this shape; only the number of items run together may be open.</summary>
    internal bool Fits(int[] dimensions) => dimensions.Length > 0 && dimensions[1..].SequenceEqual(Shape);

    /// <summary>Memory for some items.</summary>
    internal RowTensor Rows(string name, int items)
    {
        long[] sides = [.. Shape.Select(side => (long)side)];
        return Type == ElementType.Token
            ? new RowTensor<long>(name, items, sides)
            : new RowTensor<float>(name, items, sides);
    }
}

/// <summary>Types of elements that networks take.</summary>
public enum ElementType
{
    /// <summary>32-bit floating point.</summary>
    Number,

    /// <summary>64-bit integers, the indices of tokens.</summary>
    Token,
}

/// <summary>Where the tensors of one item are to be written.</summary>
public readonly ref struct EncodedItem
{
    private readonly RowTensor[] tensors;
    private readonly int place;

    /// <param name="tensors">Memory of each tensor, for as many items as are run together.</param>
    /// <param name="place">Which of those items.</param>
    internal EncodedItem(RowTensor[] tensors, int place) => (this.tensors, this.place) = (tensors, place);

    /// <summary>Memory of one tensor, row-major.</summary>
    /// <typeparam name="T">float or long, as <see cref="EncodedInput.Type"/> says.</typeparam>
    /// <param name="input">Index into <see cref="ContentEncoder.Inputs"/>.</param>
    /// <exception cref="InvalidCastException">The input has elements of another type.</exception>
    public Span<T> Tensor<T>(int input)
        where T : unmanaged => ((RowTensor<T>)tensors[input])[place];

    /// <summary>The tensors, copied, to be run later.</summary>
    internal Array[] Copy()
    {
        var copies = new Array[tensors.Length];
        for (int i = 0; i < copies.Length; i++)
            copies[i] = tensors[i].Copy(place);
        return copies;
    }

    /// <summary>Writes tensors that <see cref="Copy"/> gave.</summary>
    internal void Fill(Array[] copies)
    {
        for (int i = 0; i < copies.Length; i++)
            tensors[i].Fill(place, copies[i]);
    }
}

/// <summary>A kind of content that networks take. The registry of them all.</summary>
public sealed class EncoderKind : INamed
{
    /// <summary>All kinds.</summary>
    public static Registry<EncoderKind> All { get; } = new("kind of content");

    /// <summary>Images.</summary>
    public static EncoderKind Images { get; } = All.Add(ImageEncoder.Describe());

    /// <summary>Texts.</summary>
    public static EncoderKind Texts { get; } = All.Add(TextEncoder.Describe());

    /// <summary>Images, each in several sizes or framings.</summary>
    internal static EncoderKind ImageForms { get; } = All.Add(ImageFormsEncoder.Describe());

    /// <param name="name">Name: what such networks take, in the plural.</param>
    /// <param name="read">Makes an encoder of settings that <see cref="ContentEncoder.Settings"/> gave.</param>
    internal EncoderKind(string name, Func<JsonElement, ContentEncoder> read) => (Name, Read) = (name, read);

    /// <inheritdoc/>
    public string Name { get; }

    /// <summary>Makes an encoder of settings that <see cref="ContentEncoder.Settings"/> gave.</summary>
    /// <exception cref="Exception">JsonException or ArgumentException: the settings are not valid.</exception>
    internal Func<JsonElement, ContentEncoder> Read { get; }

    /// <inheritdoc/>
    public override string ToString() => Name;
}

/// <summary>An encoder as cards and model files state it.</summary>
/// <param name="Kind">Name of its kind.</param>
/// <param name="Settings">Its settings.</param>
public sealed record StatedEncoder(string Kind, JsonElement Settings)
{
    /// <summary>The encoder.</summary>
    /// <exception cref="TransferException">There is no such kind.</exception>
    public ContentEncoder Open() => EncoderKind.All.Find(Kind).Read(Settings);

    /// <summary>How an encoder is stated.</summary>
    internal static StatedEncoder Of(ContentEncoder encoder) =>
        new(encoder.Kind.Label, JsonSerializer.SerializeToElement(encoder.Settings));
}
