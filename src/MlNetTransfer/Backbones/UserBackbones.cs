namespace MlNetTransfer.Backbones;

/// <summary>The backbones that the user added.</summary>
/// <param name="Folder">The folder that has one folder per backbone, absolute.</param>
/// <param name="Cards">Their cards, by id.</param>
/// <param name="Problems">What is in the folder and cannot be used, and why.</param>
public sealed record UserBackbones(string Folder, IReadOnlyList<BackboneCard> Cards, IReadOnlyList<string> Problems)
{
    /// <summary>No backbones.</summary>
    public static UserBackbones None { get; } = new("", [], []);
}
