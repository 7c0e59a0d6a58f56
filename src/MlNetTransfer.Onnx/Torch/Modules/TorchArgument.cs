namespace MlNetTransfer.Onnx.Torch.Modules;

/// <summary>An argument of a step.</summary>
internal abstract record TorchArgument
{
    private TorchArgument() { }

    /// <summary>A value made before.</summary>
    public sealed record Value(string Name) : TorchArgument;

    /// <summary>A list of values.</summary>
    public sealed record Values(IReadOnlyList<string> Names) : TorchArgument;

    /// <summary>A tensor of a module.</summary>
    public sealed record Own(TorchModule Module, TorchTensor Tensor) : TorchArgument;

    public sealed record Integer(long Number) : TorchArgument;

    public sealed record Integers(IReadOnlyList<long> Numbers) : TorchArgument;

    public sealed record Real(double Number) : TorchArgument;

    public sealed record Flag(bool On) : TorchArgument;

    /// <summary>None.</summary>
    public sealed record Nothing : TorchArgument;

    /// <summary>Whether the module is in training mode.</summary>
    public sealed record Training : TorchArgument;
}
