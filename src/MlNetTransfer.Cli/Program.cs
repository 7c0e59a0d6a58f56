using System.Text;
using MlNetTransfer.Cli;

Console.OutputEncoding = new UTF8Encoding(encoderShouldEmitUTF8Identifier: false);
using var cancellation = new CancellationTokenSource();
Console.CancelKeyPress += (_, press) =>
{
    // The first Ctrl-C asks the work to end whole; a second one ends the process at once.
    press.Cancel = !cancellation.IsCancellationRequested;
    cancellation.Cancel();
};
return CommandLine.Run(args, Console.Out, Console.Error, cancellation.Token);
