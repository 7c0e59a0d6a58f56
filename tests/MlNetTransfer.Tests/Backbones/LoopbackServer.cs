using System.Net;
using System.Net.Sockets;
using System.Text;

namespace MlNetTransfer.Tests.Backbones;

/// <summary>
/// A web server of this machine that answers every request by a function: the bytes to send, headers included; null
/// never answers.
/// </summary>
internal sealed class LoopbackServer : IDisposable
{
    private readonly TcpListener listener = new(IPAddress.Loopback, 0);
    private readonly Func<string, byte[]?> answer;
    private readonly CancellationTokenSource stop = new();
    private int requests;

    public LoopbackServer(Func<string, byte[]?> answer)
    {
        this.answer = answer;
        listener.Start();
        _ = Task.Run(AcceptAsync);
    }

    public string Address => $"http://127.0.0.1:{((IPEndPoint)listener.LocalEndpoint).Port}";

    public int Requests => requests;

    public static byte[] Ok(byte[] body, long? length = null) =>
        [
            .. Encoding.ASCII.GetBytes(
                $"HTTP/1.1 200 "
                    + $"OK\r\n{(length == -1 ? "" : $"Content-Length: {length ?? body.Length}\r\n")}Connection: "
                    + $"close\r\n\r\n"
            ),
            .. body,
        ];

    public static byte[] Redirect(string to) =>
        Encoding.ASCII.GetBytes(
            $"HTTP/1.1 302 Found\r\nLocation: {to}\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"
        );

    public void Dispose()
    {
        stop.Cancel();
        listener.Dispose();
        stop.Dispose();
    }

    private async Task AcceptAsync()
    {
        CancellationToken stopped = stop.Token;
        try
        {
            while (true)
            {
                TcpClient client = await listener.AcceptTcpClientAsync(stopped);
                _ = ServeAsync(client, stopped);
            }
        }
        catch (Exception) when (stopped.IsCancellationRequested) { }
    }

    private async Task ServeAsync(TcpClient client, CancellationToken stopped)
    {
        using (client)
        {
            try
            {
                Interlocked.Increment(ref requests);
                byte[] request = new byte[8192];
                int read = await client.GetStream().ReadAsync(request, stopped);
                string path = Encoding.ASCII.GetString(request, 0, read).Split(' ')[1];
                byte[]? bytes = answer(path);
                if (bytes is not null)
                    await client.GetStream().WriteAsync(bytes, stopped);
                if (bytes is null || path.Contains("stall", StringComparison.Ordinal))
                    await Task.Delay(Timeout.Infinite, stopped);
            }
            catch (Exception e) when (e is IOException or OperationCanceledException) { }
        }
    }
}
