namespace MlNetTransfer.Onnx.Torch.Modules;

/// <summary>A model said in torch.</summary>
/// <param name="Root">The whole module.</param>
/// <param name="Input">Name of the value it takes.</param>
/// <param name="Steps">All steps, in an order in which they can run.</param>
/// <param name="Output">Name of the value it returns.</param>
internal sealed record TorchProgram(TorchModule Root, string Input, IReadOnlyList<TorchStep> Steps, string Output)
{
    /// <summary>Tensors of the modules that some step uses, by their full names, in the order of the tree.</summary>
    public IEnumerable<(string Path, TorchTensor Tensor)> Tensors => Root.AllTensors;
}
