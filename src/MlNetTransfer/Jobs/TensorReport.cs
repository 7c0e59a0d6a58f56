namespace MlNetTransfer.Jobs;

/// <summary>An input or output of a graph.</summary>
/// <param name="Name">Its name.</param>
/// <param name="Type">Element type and shape, e.g. <c>Float [N, 3, 224, 224]</c>; "not stated" where the file does not
/// say.</param>
public sealed record TensorReport(string Name, string Type);
