namespace MlNetTransfer.Hosting;

/// <summary>Where a hosted model is in its life.</summary>
public enum TransferModelState
{
    /// <summary>Not loaded yet, or loading failed.</summary>
    NotLoaded,

    /// <summary>Answering requests.</summary>
    Serving,

    /// <summary>Shut down with its host.</summary>
    Stopped,
}
