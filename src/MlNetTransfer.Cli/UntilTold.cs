using System.Runtime.InteropServices;

namespace MlNetTransfer.Cli;

/// <summary>
/// The end of a command that runs until it is told to end: by Ctrl-C, or by SIGTERM, as systemd and containers do. The
/// first asks for an end in good order, a second SIGTERM does not wait for it.
/// </summary>
internal sealed class UntilTold : IDisposable
{
    private readonly CancellationTokenSource ends;
    private readonly PosixSignalRegistration terminate;

    /// <param name="cancellation">Cancelled by Ctrl-C.</param>
    public UntilTold(CancellationToken cancellation)
    {
        ends = CancellationTokenSource.CreateLinkedTokenSource(cancellation);
        terminate = PosixSignalRegistration.Create(
            PosixSignal.SIGTERM,
            signal =>
            {
                signal.Cancel = !ends.IsCancellationRequested;
                ends.Cancel();
            }
        );
    }

    /// <summary>Cancelled when it is told to end.</summary>
    public CancellationToken Token => ends.Token;

    /// <summary>Waits until it is told.</summary>
    public async Task WaitAsync() =>
        await Task.Delay(Timeout.Infinite, ends.Token).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);

    /// <inheritdoc/>
    public void Dispose()
    {
        terminate.Dispose();
        ends.Dispose();
    }
}
