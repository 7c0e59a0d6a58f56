namespace MlNetTransfer.Onnx.Torch.Modules;

/// <summary>
/// A module: named tensors and named modules; a leaf computes one layer, any other what its body says.
/// </summary>
/// <param name="name">Name in the parent: no dots, not empty, but for the root.</param>
/// <param name="parent">The parent; null for the root.</param>
internal sealed class TorchModule(string name, TorchModule? parent)
{
    private readonly List<TorchModule> children = [];
    private readonly List<TorchTensor> tensors = [];

    public string Name => name;

    public TorchModule? Parent => parent;

    /// <summary>In the order in which they were first used.</summary>
    public IReadOnlyList<TorchModule> Children => children;

    public IReadOnlyList<TorchTensor> Tensors => tensors;

    /// <summary>What a leaf computes; null for a container.</summary>
    public TorchLayer? Layer { get; private set; }

    /// <summary>What a container computes; null for a leaf, and for a container whose parts its parent runs.</summary>
    public TorchBody? Body { get; set; }

    /// <summary>Names from the root, separated by dots; empty for the root.</summary>
    public string Path => parent is null || parent.Path.Length == 0 ? name : $"{parent.Path}.{name}";

    /// <summary>This module and those around it, innermost first.</summary>
    public IEnumerable<TorchModule> Ancestry
    {
        get
        {
            for (TorchModule? m = this; m is not null; m = m.Parent)
                yield return m;
        }
    }

    /// <summary>All modules below and this one, parents first.</summary>
    public IEnumerable<TorchModule> Descendants => children.SelectMany(c => c.Descendants).Prepend(this);

    /// <summary>All tensors with their full names, in the order of the tree.</summary>
    public IEnumerable<(string Path, TorchTensor Tensor)> AllTensors =>
        Descendants.SelectMany(m => m.tensors.Select(t => (m.Path.Length == 0 ? t.Name : $"{m.Path}.{t.Name}", t)));

    public bool IsWithin(TorchModule other) => Ancestry.Contains(other);

    /// <summary>The child of a name, made where there is none; null where the name belongs to a tensor.</summary>
    public TorchModule? Child(string childName)
    {
        if (tensors.Any(t => t.Name == childName))
            return null;
        TorchModule? child = children.FirstOrDefault(c => c.Name == childName);
        if (child is null)
            children.Add(child = new TorchModule(childName, this));
        return child;
    }

    /// <summary>Whether neither a tensor nor a module has the name.</summary>
    public bool IsFree(string member) => tensors.All(t => t.Name != member) && children.All(c => c.Name != member);

    /// <summary>Removes the layers and loose tensors that nothing uses, and the modules that are empty then.</summary>
    public void Prune(IReadOnlySet<object> used)
    {
        if (Layer is null)
            tensors.RemoveAll(t => !used.Contains(t));
        foreach (TorchModule child in children)
            child.Prune(used);
        children.RemoveAll(c => c.Layer is null ? c.children.Count == 0 && c.tensors.Count == 0 : !used.Contains(c));
    }

    public void Add(TorchTensor tensor) => tensors.Add(tensor);

    /// <summary>Makes it a leaf.</summary>
    public void Become(TorchLayer layer, IEnumerable<TorchTensor> layerTensors)
    {
        Layer = layer;
        tensors.AddRange(layerTensors);
    }
}
