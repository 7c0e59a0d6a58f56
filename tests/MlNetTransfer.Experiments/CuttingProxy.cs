using System.Net;
using System.Net.Sockets;

namespace MlNetTransfer.Experiments;

/// <summary>
/// Stands between a program and a server on this machine; cut, it lets nothing through and answers nobody, as a network
/// that is gone: connections that are open hang, new ones are not taken.
/// </summary>
internal sealed class CuttingProxy : IDisposable
{
    private readonly TcpListener listener = new(IPAddress.Loopback, 0);
    private readonly ManualResetEventSlim open = new(true);
    private readonly int target;

    /// <param name="target">The server's port.</param>
    public CuttingProxy(int target)
    {
        this.target = target;
        listener.Start();
        Port = ((IPEndPoint)listener.LocalEndpoint).Port;
        _ = Task.Run(async () =>
        {
            while (true)
            {
                TcpClient near = await listener.AcceptTcpClientAsync();
                _ = Task.Run(() => Carry(near));
            }
        });
    }

    /// <summary>Where programs connect to.</summary>
    public int Port { get; }

    public void Cut() => open.Reset();

    public void Mend() => open.Set();

    public void Dispose() => listener.Dispose();

    private void Carry(TcpClient near)
    {
        open.Wait();
        var far = new TcpClient("127.0.0.1", target);
        _ = Task.Run(() => Copy(near, far));
        _ = Task.Run(() => Copy(far, near));
    }

    private void Copy(TcpClient from, TcpClient to)
    {
        try
        {
            byte[] buffer = new byte[1 << 16];
            while (from.GetStream().Read(buffer) is var read and > 0)
            {
                open.Wait();
                to.GetStream().Write(buffer, 0, read);
            }
        }
        catch (IOException)
        {
            // One of the two has gone, and the other is told below.
        }

        from.Dispose();
        to.Dispose();
    }
}
