namespace MlNetTransfer.Hosting;

/// <summary>All models registered with <c>AddTransferModel</c>. Thread-safe.</summary>
public interface ITransferModels
{
    /// <summary>The registered names, in the order of registration.</summary>
    IReadOnlyList<string> Names { get; }

    /// <summary>The model registered under a name.</summary>
    /// <exception cref="KeyNotFoundException">No model has this name; the message lists those there are.</exception>
    ITransferPredictor this[string name] { get; }

    /// <summary>
    /// Looks at the model's file now, whatever the watcher does, and serves it if its content is another one.
    /// </summary>
    /// <param name="name">The registered name.</param>
    /// <param name="cancellation">Ends the wait; the old model then goes on.</param>
    /// <returns>True where another model is now served; false where the file holds what is served already.</returns>
    /// <exception cref="KeyNotFoundException">No model has this name.</exception>
    /// <exception cref="TransferException">The file cannot be served; the old model goes on, and
    /// <see cref="ITransferPredictor.Status"/> says why.</exception>
    Task<bool> ReloadAsync(string name, CancellationToken cancellation = default);
}
