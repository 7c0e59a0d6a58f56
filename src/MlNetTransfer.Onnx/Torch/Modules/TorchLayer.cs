namespace MlNetTransfer.Onnx.Torch.Modules;

/// <summary>What a leaf module computes: torch's layer of that name.</summary>
internal abstract record TorchLayer
{
    /// <summary>Name of the layer in torch, for example Conv2d.</summary>
    public abstract string Kind { get; }

    /// <summary>
    /// Lines of TorchScript that compute the layer of <c>x</c> with the tensors of <c>self</c>; the last is a return.
    /// </summary>
    public abstract IReadOnlyList<string> Script { get; }

    /// <summary>The layer's constructor in TorchSharp.</summary>
    public abstract SharpCall Sharp { get; }
}
