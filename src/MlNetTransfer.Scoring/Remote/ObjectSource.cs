namespace MlNetTransfer.Scoring.Remote;

/// <summary>The objects of a storage, in its order; what ends with a slash is a folder and no object.</summary>
/// <param name="store">The storage; disposed with it.</param>
internal sealed class ObjectSource(IObjectStore store) : ScoreSource
{
    public override string Identity => $"objects {store.Name}";

    public override bool Seeks => true;

    public override IEnumerable<ScoreInput> Read(string? after, CancellationToken cancellation) =>
        store
            .ListAsync(after, cancellation)
            .ToBlockingEnumerable(cancellation)
            .Where(key => !key.EndsWith('/'))
            .Select(key => new ScoreInput(key, null, []) { Open = token => store.OpenAsync(key, token) });

    public override void Dispose()
    {
        store.Dispose();
        base.Dispose();
    }
}
