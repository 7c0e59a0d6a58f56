using MlNetTransfer.Onnx.Weights;

namespace MlNetTransfer.Onnx.Torch.Import;

/// <summary>A name of a class or function: never looked up, only compared with those known.</summary>
internal sealed record PickleGlobal(string Module, string Name);

/// <summary>A tuple.</summary>
internal sealed record PickleTuple(IReadOnlyList<object?> Items);

/// <summary>A dictionary, or an object of a class with its attributes.</summary>
internal sealed class PickleMap
{
    /// <summary>In the order in which they were set.</summary>
    public List<(object? Key, object? Value)> Entries { get; } = [];
}

/// <summary>A storage: a piece of the archive.</summary>
internal sealed record PickleStorage(SafeTensorType Type, string Key, long Count);

/// <summary>A tensor: a view of a storage.</summary>
internal sealed record PickleTensor(
    PickleStorage Storage,
    long Offset,
    IReadOnlyList<long> Sizes,
    IReadOnlyList<long> Strides
);
