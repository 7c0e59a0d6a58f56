using System.CommandLine;
using MlNetTransfer.Backbones;

namespace MlNetTransfer.Cli;

/// <summary>serve: answers over HTTP what models say of images.</summary>
internal static class ServeCommand
{
    public static Command Create(Terminal terminal, CancellationToken cancellation)
    {
        var flags = new Flags<ServeOptions>(new ServeOptions());
        Argument models = flags.Files(
            "model",
            "Models written by 'mlnet-transfer train', or registry:NAME@production, which is followed. NAME=MODEL says "
                + "what it is called in addresses; else it is the registry's name, the file's, or, for model.onnx, the "
                + "folder's.",
            (o, files) => o with { Models = [.. files.Select(Named)] }
        );
        var command = new GroupedCommand(
            "serve",
            "Serve models over HTTP: POST /v1/models/NAME/predict takes images as the body, as files of a form, or as "
                + "base64 in JSON. Also /health/live, /health/ready, /metrics (Prometheus), /openapi/v1.json and "
                + "/docs. A model whose file changes, or whose stage in the registry moves, is exchanged without a "
                + "failed request. Ctrl-C or SIGTERM answers what was accepted, then ends.",
            [
                (
                    "Where",
                    [
                        flags.Written(
                            "--listen",
                            "Address and port. Default: 127.0.0.1:8080, which only this machine reaches; 0.0.0.0:8080 "
                                + "for all. Put TLS in front of it.",
                            "address",
                            ServeOptions.ReadAddress,
                            (o, address) => o with { Listen = address }
                        ),
                        flags.Text(
                            "--api-keys",
                            "File of the keys that requests need, NAME=KEY (or NAME=sha256:DIGEST) on each line. They "
                                + "are sent as X-Api-Key, or as Authorization: Bearer.",
                            "file",
                            (o, file) => o with { ApiKeys = file }
                        ),
                        flags.Number<double>(
                            "--rate-limit",
                            "Requests per second that each key, or without keys each address, may send; more are "
                                + "answered with 429.",
                            "per second",
                            (o, rate) => o with { RateLimit = rate }
                        ),
                    ]
                ),
                ("How", [.. Running(flags)]),
                ("Another model beside it", [.. Trying(flags)]),
            ]
        )
        {
            models,
        };
        command.SetAction(parsed =>
        {
            ServeOptions options = flags.Read(parsed);
            return Run(options, terminal, cancellation).GetAwaiter().GetResult();
        });
        return command;
    }

    private static IEnumerable<Option> Running(Flags<ServeOptions> flags) =>
        [
            flags.Number<int>(
                "--workers",
                "Images that each model works on at the same time; no result depends on it. One per core by default.",
                "n",
                (o, workers) => o with { Workers = workers },
                o => o.Workers
            ),
            flags.Number<int>(
                "--max-waiting",
                "Images that may wait for each model; one more is answered with 503 and Retry-After.",
                "n",
                (o, waiting) => o with { MaxWaiting = waiting },
                o => o.MaxWaiting
            ),
            flags.Number<int>(
                "--batch",
                "Images run together. Default: 1 on the CPU, where that is best, 32 on a GPU.",
                "n",
                (o, batch) => o with { BatchSize = batch }
            ),
            flags.Number<int>(
                "--top",
                "Likeliest classes in an answer; a request may ask for another number.",
                "n",
                (o, top) => o with { Top = top },
                o => o.Top
            ),
            flags.Choice<ExecutionProvider>(
                "--device",
                "What runs the models. A GPU must give the CPU's numbers before it is used.",
                (o, device) => o with { Device = device },
                o => o.Device
            ),
            flags.Number<int>(
                "--max-image-mb",
                "Largest image in MB; a larger one is answered with 413.",
                "MB",
                (o, size) => o with { MaxImageMegabytes = size },
                o => o.MaxImageMegabytes
            ),
            flags.Number<int>(
                "--max-request-mb",
                "Largest request in MB; a larger one is answered with 413.",
                "MB",
                (o, size) => o with { MaxRequestMegabytes = size },
                o => o.MaxRequestMegabytes
            ),
            flags.Number<int>(
                "--max-images",
                "Most images of a request.",
                "n",
                (o, images) => o with { MaxImages = images },
                o => o.MaxImages
            ),
            flags.Number<int>(
                "--max-memory-mb",
                "Memory for the bodies of all requests together, in MB; a request beyond is answered with 503.",
                "MB",
                (o, size) => o with { MaxMemoryMegabytes = size },
                o => o.MaxMemoryMegabytes
            ),
            flags.Written(
                "--drain",
                "At the end, say for so long that the server is not ready, before it takes no more requests: what a "
                    + "load balancer needs to hear of it. Default: 0s.",
                "time",
                FlagText.Time,
                (o, drain) => o with { Drain = drain }
            ),
        ];

    private static IEnumerable<Option> Trying(Flags<ServeOptions> flags) =>
        [
            flags.Text(
                "--shadow",
                "Run this model too, after the answer and while it has nothing else to do, and log how the two differ.",
                "model",
                (o, model) => o with { Shadow = model }
            ),
            flags.Text(
                "--canary",
                "Let this model answer for a share of the images, and log how the two differ on them. Where it fails, "
                    + "the other answers.",
                "model",
                (o, model) => o with { Canary = model }
            ),
            flags.Number<double>(
                "--share",
                "Share of the images that it takes part in. Default: all of them for a shadow, 0.05 for a canary.",
                "share",
                (o, share) => o with { Share = share }
            ),
        ];

    private static ServedFile Named(string text)
    {
        try
        {
            return ServedFile.Parse(text);
        }
        catch (ArgumentException e)
        {
            throw new UsageException($"<model>: {e.Message}");
        }
    }

    private static async Task<int> Run(ServeOptions options, Terminal terminal, CancellationToken cancellation)
    {
        using UntilTold ends = new(cancellation);
        var gate = new Lock();
        await using var server = new Server(options, Say);
        try
        {
            await server.StartAsync(ends.Token).ConfigureAwait(false);
        }
        catch (OperationCanceledException) when (ends.Token.IsCancellationRequested)
        {
            Say("Cancelled before anything was served.");
            return ExitCode.Cancelled;
        }

        Say($"Serving {string.Join(", ", options.Models.Select(m => m.Name))} on {server.Address} until Ctrl-C. Try:");
        Say(
            $"  curl --data-binary @photo.jpg {(options.ApiKeys is null ? "" : "-H 'X-Api-Key: KEY' ")}"
                + $"{server.LocalAddress}/v1/models/{options.Models[0].Name}/predict"
        );
        foreach (string warning in server.Warnings())
            Say($"warning: {warning}");
        await ends.WaitAsync().ConfigureAwait(false);
        Say("Ending: what was accepted is answered first.");
        await server.StopAsync().ConfigureAwait(false);
        Say("Ended.");
        return ExitCode.Done;

        void Say(string line)
        {
            lock (gate)
                terminal.WriteError(line);
        }
    }
}
