namespace MlNetTransfer.Onnx.Torch.Modules;

/// <summary>An argument of a <see cref="SharpCall"/>.</summary>
/// <param name="Name">Name of the parameter; empty for an argument by position.</param>
/// <param name="Text">The argument in C#.</param>
/// <param name="Role">What the number is, for example inChannels; empty where it cannot vary within a class.</param>
internal sealed record SharpArgument(string Name, string Text, string Role = "");
