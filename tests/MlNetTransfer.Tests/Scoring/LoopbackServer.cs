using System.Net;
using System.Net.Sockets;

namespace MlNetTransfer.Tests.Scoring;

/// <summary>A web server on this machine, on a port of its own.</summary>
internal sealed class LoopbackServer : IDisposable
{
    private readonly HttpListener listener = new();

    /// <param name="answer">Answers a request by its path, decoded; the response is closed behind it.</param>
    public LoopbackServer(Action<string, HttpListenerContext> answer)
    {
        Address = FormattableString.Invariant($"http://127.0.0.1:{FreePort()}");
        listener.Prefixes.Add(Address + "/");
        listener.Start();
        _ = Task.Run(async () =>
        {
            while (listener.IsListening)
            {
                HttpListenerContext context = await listener.GetContextAsync();
                using HttpListenerResponse response = context.Response;
                answer(Uri.UnescapeDataString(context.Request.Url!.AbsolutePath[1..]), context);
            }
        });
    }

    /// <summary>Scheme, host and port.</summary>
    public string Address { get; }

    /// <summary>A port that nobody listens on.</summary>
    public static int FreePort()
    {
        using var free = new TcpListener(IPAddress.Loopback, 0);
        free.Start();
        return ((IPEndPoint)free.LocalEndpoint).Port;
    }

    public static void Send(HttpListenerContext context, int code, byte[] bytes)
    {
        (context.Response.StatusCode, context.Response.ContentLength64) = (code, bytes.Length);
        context.Response.OutputStream.Write(bytes);
    }

    public void Dispose() => ((IDisposable)listener).Dispose();
}
