using System.Net;
using MlNetTransfer.Backbones;
using MlNetTransfer.Models;

namespace MlNetTransfer.Cli;

/// <summary>What <c>serve</c> serves, where, and what requests may cost. Immutable.</summary>
internal sealed record ServeOptions
{
    /// <summary>The models, each with the name that its address has.</summary>
    public IReadOnlyList<ServedFile> Models { get; init; } = [];

    /// <summary>Address and port. Default 127.0.0.1:8080; port 0 for any that is free.</summary>
    public IPEndPoint Listen { get; init; } = new(IPAddress.Loopback, 8080);

    /// <summary>Images worked on at the same time by each model. Default one per core.</summary>
    public int Workers
    {
        get;
        init => field = Check.InRange(value, 1, 1024);
    } = Environment.ProcessorCount;

    /// <summary>Images that may wait for each model.</summary>
    public int MaxWaiting
    {
        get;
        init => field = Check.InRange(value, 1, 1_000_000);
    } = 256;

    /// <summary>Images run together; null for 1 on the CPU and 32 on a GPU.</summary>
    public int? BatchSize
    {
        get;
        init => field = value is { } size ? Check.InRange(size, 1, 1024) : null;
    }

    /// <summary>Classes in an answer that does not ask for another number.</summary>
    public int Top
    {
        get;
        init => field = Check.InRange(value, 1, 1000);
    } = 3;

    /// <summary>What runs the models.</summary>
    public ExecutionProvider Device { get; init; }

    /// <summary>Millions of bytes of one image.</summary>
    public int MaxImageMegabytes
    {
        get;
        init => field = Check.InRange(value, 1, 1000);
    } = 64;

    /// <summary>Millions of bytes of one request.</summary>
    public int MaxRequestMegabytes
    {
        get;
        init => field = Check.InRange(value, 1, 2000);
    } = 128;

    /// <summary>Millions of bytes of all requests at one time.</summary>
    public int MaxMemoryMegabytes
    {
        get;
        init => field = Check.InRange(value, 1, 1_000_000);
    } = 1000;

    /// <summary>Images of one request.</summary>
    public int MaxImages
    {
        get;
        init => field = Check.InRange(value, 1, 10_000);
    } = 64;

    /// <summary>File of the keys that requests need; null for none.</summary>
    public string? ApiKeys { get; init; }

    /// <summary>Requests per second that each key, or each address, may send; null for any number.</summary>
    public double? RateLimit
    {
        get;
        init => field = value is { } rate ? Check.InRange(rate, 0.01, 1_000_000) : null;
    }

    /// <summary>A model that looks on; null for none.</summary>
    public string? Shadow { get; init; }

    /// <summary>A model that answers for some of the images; null for none.</summary>
    public string? Canary { get; init; }

    /// <summary>
    /// Share of the images that one of those takes part in; null for all of a shadow, 0.05 of a canary.
    /// </summary>
    public double? Share
    {
        get;
        init => field = value is { } share ? Check.InRange(share, 0.0001, 1) : null;
    }

    /// <summary>How long the server says that it is not ready before it takes no more requests.</summary>
    public TimeSpan Drain
    {
        get;
        init =>
            field =
                value >= TimeSpan.Zero && value <= TimeSpan.FromMinutes(10)
                    ? value
                    : throw new ArgumentException("it must be 0s to 10m.");
    }

    /// <summary>Reads an address: 8080, 0.0.0.0:8080, localhost:8080, [::1]:8080.</summary>
    /// <exception cref="FormatException">It is none.</exception>
    public static IPEndPoint ReadAddress(string text)
    {
        string full =
            text.All(char.IsAsciiDigit) ? $"127.0.0.1:{text}"
            : text.StartsWith("localhost:", StringComparison.OrdinalIgnoreCase) ? $"127.0.0.1:{text[10..]}"
            : text;
        int colon = full.LastIndexOf(':');
        bool isWhole = full.Contains('[') || full.Count(c => c == '.') == 3;
        return isWhole && colon > 0 && IPEndPoint.TryParse(full, out IPEndPoint? address) && full[colon - 1] is not ':'
            ? address
            : throw new FormatException($"'{text}' is no address with a port; write 8080, 0.0.0.0:8080 or [::1]:8080.");
    }
}

/// <summary>A model to be served.</summary>
/// <param name="Name">Its name in addresses.</param>
/// <param name="Path">Its file, or its address in the registry.</param>
internal sealed record ServedFile(string Name, string Path)
{
    /// <summary>
    /// Reads NAME=MODEL, or a model alone, whose name is then that of the registry, of the file, or, where the file is
    /// model.onnx, of its folder.
    /// </summary>
    /// <exception cref="ArgumentException">The name cannot stand in an address.</exception>
    public static ServedFile Parse(string text)
    {
        int equals = text.IndexOf('=');
        return equals > 0 && !File.Exists(text)
            ? new ServedFile(Checked(text[..equals], text), text[(equals + 1)..])
            : new ServedFile(NameOf(text), text);
    }

    private static string NameOf(string path)
    {
        if (path.StartsWith(ModelRegistry.Scheme, StringComparison.Ordinal))
            return Checked(path[ModelRegistry.Scheme.Length..].Split('@')[0], path);
        string stem = System.IO.Path.GetFileNameWithoutExtension(path);
        string? folder = System.IO.Path.GetFileName(System.IO.Path.GetDirectoryName(System.IO.Path.GetFullPath(path)));
        return Checked(stem is "model" && !string.IsNullOrEmpty(folder) ? folder : stem, path);
    }

    private static string Checked(string name, string text) =>
        name.Length is > 0 and <= 100 && name.All(c => char.IsAsciiLetterOrDigit(c) || c is '.' or '_' or '-')
            ? name
            : throw new ArgumentException(
                $"the name '{name}' of '{text}' cannot stand in an address: letters, digits, '.', '_' and '-' "
                    + $"can. Give one: NAME={text}."
            );
}
