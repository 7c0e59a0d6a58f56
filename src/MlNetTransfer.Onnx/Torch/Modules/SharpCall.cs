namespace MlNetTransfer.Onnx.Torch.Modules;

/// <summary>A call in C# whose numbers are known one by one, so that like calls can share a class.</summary>
/// <param name="Function">Name of the function.</param>
/// <param name="Arguments">Its arguments.</param>
internal sealed record SharpCall(string Function, params IReadOnlyList<SharpArgument> Arguments);
