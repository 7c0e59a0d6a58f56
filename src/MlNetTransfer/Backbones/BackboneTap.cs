namespace MlNetTransfer.Backbones;

/// <summary>A place where a backbone can be cut to take features.</summary>
public sealed record BackboneTap
{
    /// <summary>Name of the tap, for users.</summary>
    public required string Name
    {
        get;
        init => field = Check.NotEmpty(value);
    }

    /// <summary>
    /// Name of the tensor in the ONNX graph; the same as <see cref="Name"/> where the card gives none.
    /// </summary>
    public string Tensor
    {
        get => field ?? Name;
        init;
    }

    /// <summary>Channels of the feature map: the width of the pooled feature vector. In [1, 2²⁰].</summary>
    public required int Width
    {
        get;
        init => field = Check.InRange(value, 1, 1 << 20);
    }

    /// <summary>Side of the square feature map [N, Width, Size, Size]; 1 for feature vectors. In [1, 4096].</summary>
    public required int Size
    {
        get;
        init => field = Check.InRange(value, 1, 4096);
    }
}
