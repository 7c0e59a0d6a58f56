using System.Runtime.CompilerServices;
using Microsoft.Extensions.DependencyInjection.Extensions;
using Microsoft.Extensions.Options;
using MlNetTransfer.AspNetCore;
using MlNetTransfer.Hosting;

namespace Microsoft.AspNetCore.Builder;

/// <summary>HTTP endpoints of the models that <c>AddTransferModel</c> registers.</summary>
public static class TransferEndpoints
{
    /// <summary>
    /// One for each application that has not registered one, so that all its endpoints share a budget.
    /// </summary>
    private static readonly ConditionalWeakTable<IServiceProvider, PredictEndpoint> Endpoints = [];

    /// <summary>
    /// Sets what requests may cost; without it the defaults of <see cref="TransferEndpointOptions"/> hold. All
    /// endpoints share one budget of memory.
    /// </summary>
    /// <param name="services">The container.</param>
    /// <param name="configure">Sets options.</param>
    public static IServiceCollection AddTransferEndpoints(
        this IServiceCollection services,
        Action<TransferEndpointOptions>? configure = null
    )
    {
        ArgumentNullException.ThrowIfNull(services);
        services
            .AddOptions<TransferEndpointOptions>()
            .Configure(configure ?? (_ => { }))
            .ValidateDataAnnotations()
            .ValidateOnStart();
        services.TryAddSingleton(Endpoint);
        return services;
    }

    /// <summary>
    /// POST: images as the body, as files of a form, or in JSON as <c>{"images": ["base64", …]}</c>; <c>top</c> and
    /// <c>threshold</c> in the address, the form or the JSON. Answers with a <see cref="PredictResponse"/>, or with
    /// problem details: 400, 408, 413, 422, 503.
    /// </summary>
    /// <remarks>
    /// A body that is no usable image is answered with 422; of several images each that is not has an entry with its
    /// error.
    /// </remarks>
    /// <param name="endpoints">Where to add it.</param>
    /// <param name="pattern">Address of the endpoint.</param>
    /// <param name="model">Registered name of the model; null for the only one.</param>
    /// <exception cref="InvalidOperationException">No name was given, and there is not exactly one model.</exception>
    public static RouteHandlerBuilder MapTransferPredict(
        this IEndpointRouteBuilder endpoints,
        [System.Diagnostics.CodeAnalysis.StringSyntax("Route")] string pattern,
        string? model = null
    )
    {
        ArgumentNullException.ThrowIfNull(endpoints);
        PredictEndpoint endpoint = EndpointOf(endpoints);
        IReadOnlyList<string> names = endpoints.ServiceProvider.GetRequiredService<ITransferModels>().Names;
        string name =
            model
            ?? (
                names.Count == 1
                    ? names[0]
                    : throw new InvalidOperationException(
                        $"{names.Count} models are registered ({string.Join(", ", names)}); say which one "
                            + $"'{pattern}' serves."
                    )
            );
        Delegate handler = (HttpContext context) => endpoint.HandleAsync(context, name);
        return Described(endpoints.MapPost(pattern, handler));
    }

    /// <summary>
    /// GET <c>/</c>, GET <c>/{name}</c> and POST <c>/{name}/predict</c> (see <see cref="MapTransferPredict"/>) for all
    /// registered models.
    /// </summary>
    /// <param name="endpoints">Where to add them.</param>
    /// <param name="prefix">What stands before. Default <c>/v1/models</c>.</param>
    public static RouteGroupBuilder MapTransferModels(
        this IEndpointRouteBuilder endpoints,
        [System.Diagnostics.CodeAnalysis.StringSyntax("Route")] string prefix = "/v1/models"
    )
    {
        ArgumentNullException.ThrowIfNull(endpoints);
        PredictEndpoint endpoint = EndpointOf(endpoints);
        RouteGroupBuilder group = endpoints.MapGroup(prefix).WithTags("models");
        group.MapGet("", endpoint.List).WithName("ListModels").WithSummary("List the models");
        group
            .MapGet("{name}", (string name) => endpoint.Show(name))
            .WithName("ShowModel")
            .WithSummary("Show a model")
            .WithDescription("Its classes, its file, and how like the training images the images of late are.")
            .Produces<ServedModel>()
            .ProducesProblem(StatusCodes.Status404NotFound);
        Described(
                group.MapPost(
                    "{name}/predict",
                    (HttpContext context, string name) => endpoint.HandleAsync(context, name)
                )
            )
            .WithName("Predict")
            .ProducesProblem(StatusCodes.Status404NotFound);
        return group;
    }

    private static RouteHandlerBuilder Described(RouteHandlerBuilder builder) =>
        builder
            .WithSummary("Classify images")
            .WithDescription("One image as the body, or several as files of a form or as base64 in JSON.")
            .WithMetadata(new TransferPredictMetadata())
            .Produces<PredictResponse>()
            .ProducesProblem(StatusCodes.Status400BadRequest)
            .ProducesProblem(StatusCodes.Status408RequestTimeout)
            .ProducesProblem(StatusCodes.Status413PayloadTooLarge)
            .ProducesProblem(StatusCodes.Status422UnprocessableEntity)
            .ProducesProblem(StatusCodes.Status503ServiceUnavailable)
            .DisableAntiforgery();

    private static PredictEndpoint EndpointOf(IEndpointRouteBuilder endpoints) =>
        endpoints.ServiceProvider.GetService<PredictEndpoint>()
        ?? Endpoints.GetValue(endpoints.ServiceProvider, Endpoint);

    private static PredictEndpoint Endpoint(IServiceProvider services) =>
        new(
            services.GetRequiredService<IOptions<TransferEndpointOptions>>().Value,
            services.GetRequiredService<ITransferModels>(),
            services.GetRequiredService<ILogger<PredictEndpoint>>()
        );
}
