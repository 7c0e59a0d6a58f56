using MlNetTransfer.Backbones;

namespace MlNetTransfer.Studio;

/// <summary>What the studio may look at and where it writes. Immutable.</summary>
public sealed record StudioOptions
{
    /// <summary>Folders whose images it may show and train on, with all below them.</summary>
    public required IReadOnlyList<string> Roots { get; init; }

    /// <summary>Folder of the runs: each has a folder of its own there.</summary>
    public required string Output { get; init; }

    /// <summary>Port on 127.0.0.1, in [0, 65535]; 0 for any that is free. Default 8090.</summary>
    public int Port { get; init; } = 8090;

    /// <summary>The pretrained networks. Default those of this machine.</summary>
    public BackboneCatalog? Catalog { get; init; }
}
