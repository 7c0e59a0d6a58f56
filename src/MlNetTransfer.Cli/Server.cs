using System.Globalization;
using System.Net;
using System.Threading.RateLimiting;
using Microsoft.AspNetCore.Diagnostics.HealthChecks;
using Microsoft.AspNetCore.Hosting.Server;
using Microsoft.AspNetCore.Hosting.Server.Features;
using Microsoft.AspNetCore.OpenApi;
using Microsoft.AspNetCore.RateLimiting;
using Microsoft.Extensions.Diagnostics.HealthChecks;
using Microsoft.OpenApi;
using MlNetTransfer.AspNetCore;
using MlNetTransfer.Hosting;
using MlNetTransfer.Imaging;
using OpenTelemetry;
using OpenTelemetry.Metrics;
using OpenTelemetry.Trace;
using Scalar.AspNetCore;
using ExecutionProvider = MlNetTransfer.Backbones.ExecutionProvider;

namespace MlNetTransfer.Cli;

/// <summary>
/// A web server for models: predictions under <c>/v1/models</c>, <c>/health/live</c>, <c>/health/ready</c>,
/// <c>/metrics</c>, <c>/openapi/v1.json</c> and <c>/docs</c>.
/// </summary>
internal sealed class Server : IAsyncDisposable
{
    private const int Million = 1_000_000;
    private const string DocsPath = "/docs",
        Client = "client",
        KeyHeader = "X-Api-Key";

    private readonly WebApplication app;
    private readonly ServeOptions options;
    private volatile bool draining;

    /// <param name="options">What is served, where and how.</param>
    /// <param name="log">Told of what happens, a line each.</param>
    /// <exception cref="TransferException">An option cannot be followed.</exception>
    public Server(ServeOptions options, Action<string> log)
    {
        this.options = options;
        ServerKeys? keys = options.ApiKeys is { } file ? ServerKeys.Load(file) : null;
        // Nothing of the folder or the environment but what OpenTelemetry reads decides how it runs.
        WebApplicationBuilder builder = WebApplication.CreateEmptyBuilder(new WebApplicationOptions());
        builder.Configuration.AddEnvironmentVariables();
        builder.Logging.AddProvider(new LineLogs(log));
        builder
            .Logging.AddFilter("Microsoft", LogLevel.Warning)
            .AddFilter("Microsoft.Extensions.Hosting", LogLevel.None);
        // Who asks whether it is ready is told; that is no matter for the log.
        builder.Logging.AddFilter("Microsoft.Extensions.Diagnostics.HealthChecks", LogLevel.None);
        builder.WebHost.UseKestrelCore().ConfigureKestrel(Configure);
        builder.Services.AddRoutingCore();
        builder.Services.Configure<HostOptions>(o => o.ShutdownTimeout = TimeSpan.FromSeconds(30));
        AddModels(builder.Services);
        AddTelemetry(builder.Services);
        builder.Services.AddOpenApi("v1", Describe);
        if (options.RateLimit is { } rate)
            builder.Services.AddRateLimiter(limits => Limit(limits, rate));
        app = builder.Build();
        app.UseWhen(
            context => context.Request.Path.StartsWithSegments("/v1"),
            branch =>
            {
                if (keys is not null)
                    branch.Use((context, next) => RequireKey(keys, context, next));
                if (options.RateLimit is not null)
                    branch.UseRateLimiter();
            }
        );
        app.UseWhen(context => context.Request.Path.StartsWithSegments(DocsPath), branch => branch.Use(StayHere));
        Map();
    }

    /// <summary>Where it listens, once it has started.</summary>
    public string Address =>
        app.Services.GetRequiredService<IServer>().Features.Get<IServerAddressesFeature>()!.Addresses.First();

    /// <summary>The address for programs on this machine.</summary>
    public string LocalAddress =>
        options.Listen.Address.Equals(IPAddress.Any) || options.Listen.Address.Equals(IPAddress.IPv6Any)
            ? $"http://localhost:{Address[(Address.LastIndexOf(':') + 1)..]}"
            : Address;

    /// <summary>What may not be meant so, once it has started.</summary>
    public IEnumerable<string> Warnings()
    {
        if (!IPAddress.IsLoopback(options.Listen.Address) && options.ApiKeys is null)
            yield return $"whoever reaches {options.Listen} can use it. --api-keys FILE asks for a key.";
        ITransferModels models = app.Services.GetRequiredService<ITransferModels>();
        TransferModelStatus served = models[options.Models[0].Name].Status;
        if (served.Candidate is { } candidate && !models[candidate.Name].Status.Labels.SequenceEqual(served.Labels))
            yield return $"'{candidate.Name}' has other classes than '{served.Name}': "
                + $"{string.Join(", ", models[candidate.Name].Status.Labels)} instead of "
                + $"{string.Join(", ", served.Labels)}.";
    }

    /// <summary>Loads the models and listens.</summary>
    /// <exception cref="TransferException">A model cannot be served, or the address is taken.</exception>
    public async Task StartAsync(CancellationToken cancellation)
    {
        try
        {
            await app.StartAsync(cancellation).ConfigureAwait(false);
        }
        catch (Exception e) when (e is IOException or System.Net.Sockets.SocketException)
        {
            throw new TransferException(
                $"The server cannot listen on {options.Listen}: {e.Message.TrimEnd('.')}. Choose another address "
                    + "with --listen.",
                e
            );
        }
    }

    /// <summary>
    /// Says that it is not ready, so that no new requests are sent here, then answers those it has and ends.
    /// </summary>
    public async Task StopAsync()
    {
        draining = true;
        if (options.Drain > TimeSpan.Zero)
            await Task.Delay(options.Drain).ConfigureAwait(false);
        await app.StopAsync().ConfigureAwait(false);
    }

    public ValueTask DisposeAsync() => app.DisposeAsync();

    private void Configure(Microsoft.AspNetCore.Server.Kestrel.Core.KestrelServerOptions kestrel)
    {
        kestrel.AddServerHeader = false;
        kestrel.Limits.MaxRequestBodySize = (long)options.MaxRequestMegabytes * Million;
        kestrel.Limits.MaxConcurrentConnections = 10_000;
        kestrel.Limits.RequestHeadersTimeout = TimeSpan.FromSeconds(10);
        kestrel.Listen(options.Listen);
    }

    private void AddModels(IServiceCollection services)
    {
        ServedFile[] twice =
        [
            .. options.Models.GroupBy(m => m.Name).Where(g => g.Count() > 1).SelectMany(g => g).Take(2),
        ];
        if (twice.Length > 0)
            throw new TransferException(
                $"'{twice[0].Path}' and '{twice[1].Path}' would both be served as '{twice[0].Name}'. Name them: "
                    + $"{twice[0].Name}={twice[0].Path} other={twice[1].Path}."
            );
        if (options.Shadow is not null && options.Canary is not null)
            throw new TransferException("--shadow and --canary are two ways to try one model. Give one of them.");
        if (options is { Share: not null, Shadow: null, Canary: null })
            throw new TransferException(
                "--share is that of a --shadow or --canary. Give one of them, or leave it out."
            );
        if (options.MaxMemoryMegabytes < 3 * options.MaxRequestMegabytes)
            throw new TransferException(
                $"--max-memory-mb is {options.MaxMemoryMegabytes}; at least three times --max-request-mb "
                    + $"({options.MaxRequestMegabytes}) was expected, or the largest requests never fit."
            );
        string? other = options.Shadow ?? options.Canary;
        if (other is not null && options.Models.Count > 1)
            throw new TransferException(
                "--shadow and --canary stand beside one model; serve it alone, in a process of its own."
            );
        IHealthChecksBuilder checks = services
            .AddHealthChecks()
            .AddCheck(
                "accepting",
                () => draining ? HealthCheckResult.Unhealthy("The server is ending.") : HealthCheckResult.Healthy()
            );
        foreach (ServedFile model in options.Models)
        {
            services.AddTransferModel(model.Name, model.Path, Set);
            checks.AddTransferModelCheck(model.Name);
        }

        if (other is not null)
        {
            ServedFile candidate = Candidate(other);
            services.AddTransferModel(candidate.Name, candidate.Path, Set);
            services.Configure<TransferModelOptions>(
                options.Models[0].Name,
                o =>
                {
                    o.Candidate = candidate.Name;
                    o.CandidateAnswers = options.Canary is not null;
                    o.CandidateShare = options.Share ?? (options.Canary is null ? 1 : 0.05);
                }
            );
        }

        services.AddTransferEndpoints(o =>
        {
            o.MaxRequestBytes = (long)options.MaxRequestMegabytes * Million;
            o.MaxBufferedBytes = (long)options.MaxMemoryMegabytes * Million;
            o.MaxImages = options.MaxImages;
        });
        services.ConfigureHttpJsonOptions(o =>
            o.SerializerOptions.Converters.Add(new System.Text.Json.Serialization.JsonStringEnumConverter())
        );
    }

    /// <summary>The model beside the served one, by the name it was given; else "candidate".</summary>
    private ServedFile Candidate(string text)
    {
        ServedFile candidate;
        try
        {
            candidate =
                text.Contains('=') && !File.Exists(text) ? ServedFile.Parse(text) : new ServedFile("candidate", text);
        }
        catch (ArgumentException e)
        {
            throw new TransferException($"The model beside the served one: {e.Message}", e);
        }

        return candidate.Name != options.Models[0].Name
            ? candidate
            : throw new TransferException(
                $"The model and the one beside it would both be called '{candidate.Name}'. Give the latter a name: "
                    + $"--shadow other={candidate.Path}."
            );
    }

    private static void AddTelemetry(IServiceCollection services)
    {
        OpenTelemetryBuilder telemetry = services.AddOpenTelemetry();
        telemetry.WithMetrics(metrics =>
            metrics
                .AddMeter(TransferTelemetry.MeterName, $"{TransferTelemetry.MeterName}.OnnxRuntime")
                .AddMeter("Microsoft.AspNetCore.Server.Kestrel")
                .AddAspNetCoreInstrumentation()
                .AddRuntimeInstrumentation()
                .AddPrometheusExporter()
        );
        if (string.IsNullOrEmpty(Environment.GetEnvironmentVariable("OTEL_EXPORTER_OTLP_ENDPOINT")))
            return;
        telemetry.WithMetrics(metrics => metrics.AddOtlpExporter());
        telemetry.WithTracing(traces =>
            traces.AddSource(TransferTelemetry.ActivitySourceName).AddAspNetCoreInstrumentation().AddOtlpExporter()
        );
    }

    private void Map()
    {
        app.MapTransferModels();
        app.MapHealthChecks("/health/live", new HealthCheckOptions { Predicate = _ => false });
        app.MapHealthChecks("/health/ready", new HealthCheckOptions { ResponseWriter = WriteHealthAsync });
        app.MapPrometheusScrapingEndpoint("/metrics");
        app.MapOpenApi();
        app.MapScalarApiReference(
            DocsPath,
            page =>
                page.WithTitle("Models")
                    .WithOpenApiRoutePattern("/openapi/{documentName}.json")
                    .DisableDefaultFonts()
                    .DisableTelemetry()
                    .DisableAgent()
                    .DisableMcp()
                    .HideDeveloperTools()
                    .HideClientButton()
        );
        app.MapGet("/", () => Results.Redirect(DocsPath)).ExcludeFromDescription();
    }

    /// <summary>Names and states; paths and reasons are in the log.</summary>
    private static Task WriteHealthAsync(HttpContext context, HealthReport report) =>
        context.Response.WriteAsJsonAsync(
            new
            {
                status = report.Status.ToString(),
                checks = report.Entries.ToDictionary(e => e.Key, e => e.Value.Status.ToString()),
            }
        );

    /// <summary>The page asks nobody but this server, whatever its scripts would like.</summary>
    private static Task StayHere(HttpContext context, RequestDelegate next)
    {
        context.Response.Headers.ContentSecurityPolicy =
            "default-src 'self' 'unsafe-inline'; img-src 'self' data: blob:; font-src 'self' data:";
        return next(context);
    }

    private static async Task RequireKey(ServerKeys keys, HttpContext context, RequestDelegate next)
    {
        string given = context.Request.Headers[KeyHeader].ToString();
        string authorization = context.Request.Headers.Authorization.ToString();
        const string Bearer = "Bearer ";
        if (given.Length == 0 && authorization.StartsWith(Bearer, StringComparison.OrdinalIgnoreCase))
            given = authorization[Bearer.Length..].Trim();
        if (given.Length > 0 && keys.NameOf(given) is { } name)
        {
            context.Items[Client] = name;
            await next(context).ConfigureAwait(false);
            return;
        }

        context.Response.Headers.WWWAuthenticate = "Bearer";
        await ProblemAsync(
                context,
                StatusCodes.Status401Unauthorized,
                given.Length == 0
                    ? $"A key is needed: send it in the header {KeyHeader}, or as 'Authorization: Bearer KEY'."
                    : "The key is not known here."
            )
            .ConfigureAwait(false);
    }

    private static void Limit(RateLimiterOptions limits, double rate)
    {
        limits.RejectionStatusCode = StatusCodes.Status429TooManyRequests;
        limits.GlobalLimiter = PartitionedRateLimiter.Create<HttpContext, string>(context =>
            RateLimitPartition.GetTokenBucketLimiter(
                context.Items[Client] as string ?? $"{context.Connection.RemoteIpAddress}",
                _ => new TokenBucketRateLimiterOptions
                {
                    // A second's worth may come at once.
                    TokenLimit = (int)Math.Ceiling(rate),
                    TokensPerPeriod = 1,
                    ReplenishmentPeriod = TimeSpan.FromSeconds(1 / rate),
                    AutoReplenishment = true,
                }
            )
        );
        limits.OnRejected = async (rejected, _) =>
        {
            rejected.HttpContext.Response.Headers.RetryAfter = Math.Ceiling(Math.Max(1, 1 / rate))
                .ToString(CultureInfo.InvariantCulture);
            await ProblemAsync(
                    rejected.HttpContext,
                    StatusCodes.Status429TooManyRequests,
                    FormattableString.Invariant($"More than {rate:g4} requests per second. Try again later.")
                )
                .ConfigureAwait(false);
        };
    }

    private static Task ProblemAsync(HttpContext context, int status, string detail) =>
        TypedResults.Problem(detail, statusCode: status).ExecuteAsync(context);

    private void Set(TransferModelOptions model)
    {
        model.Workers = options.Workers;
        model.MaxWaiting = options.MaxWaiting;
        model.MaxBatchSize = options.BatchSize ?? (options.Device == ExecutionProvider.Cpu ? 1 : 32);
        model.Top = options.Top;
        model.Device = options.Device;
        model.Limits = new ImageLimits { MaxBytes = options.MaxImageMegabytes * Million };
    }

    /// <summary>Says in the OpenAPI document what the body of a prediction may be.</summary>
    private void Describe(OpenApiOptions document)
    {
        document.AddDocumentTransformer(
            (described, _, _) =>
            {
                described.Info = new OpenApiInfo
                {
                    Title = "Models",
                    Version = typeof(Server).Assembly.GetName().Version!.ToString(3),
                    Description = $"Image classifiers: {string.Join(", ", options.Models.Select(m => m.Name))}.",
                };
                return Task.CompletedTask;
            }
        );
        document.AddOperationTransformer(
            (operation, context, _) =>
            {
                if (context.Description.ActionDescriptor.EndpointMetadata.Any(m => m is TransferPredictMetadata))
                    ServerDocument.AddBody(operation, needsKey: options.ApiKeys is not null);
                return Task.CompletedTask;
            }
        );
    }
}
