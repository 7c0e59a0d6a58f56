using MlNetTransfer;
using MlNetTransfer.Onnx;
using TorchLoopSample;

if (args.Length != 3)
{
    Console.Error.WriteLine("Usage: MlNetTransfer.Samples.TorchSharp model.onnx photos trained.onnx");
    return 2;
}

try
{
    TorchLoop.Run(args[0], args[1], args[2], epochs: 3, Console.Out);
    return 0;
}
catch (Exception e) when (e is TransferException or GraphException)
{
    Console.Error.WriteLine($"error: {e.Message}");
    return 1;
}
catch (Exception e) when (e is TypeInitializationException or NotSupportedException or DllNotFoundException)
{
    Console.Error.WriteLine($"error: libtorch does not load: {(e.InnerException ?? e).Message}");
    Console.Error.WriteLine(
        "Add the libtorch package of your system; docs/guide/torchsharp.md says what else it needs."
    );
    return 1;
}
