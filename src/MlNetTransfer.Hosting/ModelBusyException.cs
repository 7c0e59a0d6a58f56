namespace MlNetTransfer.Hosting;

/// <summary>
/// A request was refused because as many are waiting as may wait. Trying again later helps; so do more cores or
/// replicas.
/// </summary>
/// <param name="model">Name of the model.</param>
/// <param name="limit">How many may wait.</param>
public sealed class ModelBusyException(string model, int limit)
    : TransferException(
        string.Create(
            System.Globalization.CultureInfo.InvariantCulture,
            $"Model '{model}' is busy: {limit} requests are waiting, which is the limit. Try again later, or raise "
                + $"{nameof(TransferModelOptions)}.{nameof(TransferModelOptions.MaxWaiting)}."
        )
    );
