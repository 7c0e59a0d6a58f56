namespace MlNetTransfer.Onnx.Torch.Conversion;

/// <summary>How one ONNX operator, or a family, is said in torch. Stateless.</summary>
internal interface ITorchOperator
{
    /// <summary>Operator types of ONNX's own set.</summary>
    IReadOnlyList<string> Operators { get; }

    /// <summary>Writes the steps that compute the outputs of a node.</summary>
    /// <exception cref="GraphException">The node has a form that torch does not have:
    /// <see cref="TorchNode.Unsupported"/>.</exception>
    void Convert(TorchNode node);
}
