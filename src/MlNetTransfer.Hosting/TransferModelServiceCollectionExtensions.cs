using Microsoft.Extensions.DependencyInjection.Extensions;
using Microsoft.Extensions.Diagnostics.HealthChecks;
using Microsoft.Extensions.Hosting;
using Microsoft.Extensions.Options;
using MlNetTransfer.Hosting;

namespace Microsoft.Extensions.DependencyInjection;

/// <summary>Registers hosted models.</summary>
public static class TransferModelServiceCollectionExtensions
{
    /// <summary>
    /// Serves a model as keyed <see cref="ITransferPredictor"/>, through <see cref="ITransferModels"/>, and, if it is
    /// the only one, as plain <see cref="ITransferPredictor"/>. It is loaded when the host starts; a file that cannot
    /// be served, or an option out of range, ends the start with an error that names it.
    /// </summary>
    /// <param name="services">The container.</param>
    /// <param name="name">Name of the model and of its <see cref="TransferModelOptions"/>.</param>
    /// <param name="path">The model file; relative to the host's content root.</param>
    /// <param name="configure">Sets options. Configuration can as well:
    /// <c>services.Configure&lt;TransferModelOptions&gt;(name, section)</c>.</param>
    /// <exception cref="ArgumentException">The name is empty or taken.</exception>
    public static IServiceCollection AddTransferModel(
        this IServiceCollection services,
        string name,
        string path,
        Action<TransferModelOptions>? configure = null
    )
    {
        ArgumentNullException.ThrowIfNull(services);
        ArgumentException.ThrowIfNullOrWhiteSpace(name);
        ArgumentNullException.ThrowIfNull(path);
        if (
            services.Any(s =>
                s.ServiceType == typeof(TransferModelRegistration)
                && (s.ImplementationInstance as TransferModelRegistration)?.Name == name
            )
        )
            throw new ArgumentException(
                $"A model '{name}' is registered already. Choose another name, or remove one of the calls.",
                nameof(name)
            );
        services.AddSingleton(new TransferModelRegistration(name));
        services
            .AddOptions<TransferModelOptions>(name)
            .Configure(o => o.Path = path)
            .Configure(configure ?? (_ => { }))
            .ValidateOnStart();
        services.TryAddEnumerable(
            ServiceDescriptor.Singleton<IValidateOptions<TransferModelOptions>, TransferModelOptionsValidator>()
        );
        services.TryAddSingleton<TransferModels>();
        services.TryAddSingleton<ITransferModels>(s => s.GetRequiredService<TransferModels>());
        services.TryAddSingleton(s => s.GetRequiredService<TransferModels>().Single);
        services.AddKeyedSingleton(name, (s, _) => s.GetRequiredService<TransferModels>()[name]);
        services.TryAddEnumerable(ServiceDescriptor.Singleton<IHostedService, TransferModelsLifetime>());
        return services;
    }

    /// <summary>
    /// Adds the health of a hosted model: healthy, degraded where the last reload failed, unhealthy where it does not
    /// answer. Its data are path, sha256, time of loading and number of labels.
    /// </summary>
    /// <param name="builder">The health checks.</param>
    /// <param name="name">The registered name of the model.</param>
    /// <param name="checkName">Name of the check. Default: "model-" and the model's name.</param>
    /// <param name="tags">Tags of the check, to choose checks by.</param>
    public static IHealthChecksBuilder AddTransferModelCheck(
        this IHealthChecksBuilder builder,
        string name,
        string? checkName = null,
        IEnumerable<string>? tags = null
    )
    {
        ArgumentNullException.ThrowIfNull(builder);
        ArgumentException.ThrowIfNullOrWhiteSpace(name);
        return builder.Add(
            new HealthCheckRegistration(
                checkName ?? $"model-{name}",
                s => new TransferModelHealthCheck(s.GetRequiredService<ITransferModels>()[name]),
                HealthStatus.Unhealthy,
                tags
            )
        );
    }
}
