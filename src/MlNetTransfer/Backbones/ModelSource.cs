namespace MlNetTransfer.Backbones;

/// <summary>The file of a model that is to be added.</summary>
/// <param name="File">Its path.</param>
/// <param name="Name">Where it comes from, for the card: the file's name, or the address without user, password and
/// query.</param>
/// <param name="Sha256">Its SHA-256, lower-case.</param>
/// <param name="Fetched">It was downloaded to <paramref name="File"/> and may be removed.</param>
internal sealed record ModelSource(string File, string Name, string Sha256, bool Fetched)
{
    public static ModelSource Get(
        NewBackbone backbone,
        string downloadTo,
        IProgress<JobProgress>? progress,
        CancellationToken cancellation
    ) =>
        backbone.Source.Contains("://", StringComparison.Ordinal)
            ? Download(backbone, downloadTo, progress, cancellation)
            : Local(backbone);

    private static ModelSource Download(
        NewBackbone backbone,
        string file,
        IProgress<JobProgress>? progress,
        CancellationToken cancellation
    )
    {
        if (
            !Uri.TryCreate(backbone.Source, UriKind.Absolute, out Uri? address)
            || (address.Scheme != Uri.UriSchemeHttp && address.Scheme != Uri.UriSchemeHttps)
        )
            throw new TransferException(
                $"'{backbone.Source}' is not an http or https address. For a file of this machine give its path."
            );
        string sha256 =
            backbone.Sha256
            ?? throw new TransferException(
                $"{ModelDownload.Shown(address)}: a model from an address needs the SHA-256 that its publisher "
                    + $"states: --sha256 (Sha256). Without it nobody can tell what arrives."
            );
        ModelDownload.Fetch(address, sha256, file, backbone.DownloadLimits, progress, cancellation);
        return new ModelSource(file, ModelDownload.Shown(address), sha256, Fetched: true);
    }

    private static ModelSource Local(NewBackbone backbone)
    {
        try
        {
            string found = FileDigest.Of(backbone.Source);
            if (backbone.Sha256 is { } expected && found != expected)
                throw new TransferException(
                    $"{backbone.Source} has SHA-256 {found}; {expected} was asked for. It is another file, or was "
                        + $"changed."
                );
            return new ModelSource(backbone.Source, Path.GetFileName(backbone.Source), found, Fetched: false);
        }
        catch (Exception cause)
            when (cause is IOException or UnauthorizedAccessException or ArgumentException or NotSupportedException)
        {
            throw new TransferException(
                $"{backbone.Source} could not be read ({cause.Message}). Give the path of an .onnx file, or an http "
                    + $"or https address.",
                cause
            );
        }
    }
}
