using System.Security.Cryptography;
using System.Text;

namespace MlNetTransfer.Scoring;

/// <summary>
/// Where a batch remembers what it needs to go on: beside an output file; for a database, in the work folder, by what
/// the batch is.
/// </summary>
/// <param name="folder">The folder.</param>
internal sealed class WorkPlace(string folder)
{
    private const int Digits = 24;

    /// <summary>The folder; made by <see cref="Make"/>.</summary>
    public string Folder => folder;

    /// <summary>The work place of a batch.</summary>
    public static WorkPlace Of(ScoreOptions options)
    {
        if (!DatabaseAddress.TryParse(options.Output, out DatabaseAddress? address))
            return new WorkPlace(Path.GetFullPath(options.Output) + ".scoring");
        string what = string.Join(
            '\n',
            address.Name,
            options.Table,
            options.Shard,
            options.Limit,
            options.Input == "-" || ObjectStores.IsAddress(options.Input)
                ? options.Input
                : Path.GetFullPath(options.Input)
        );
        string digest = Convert.ToHexStringLower(SHA256.HashData(Encoding.UTF8.GetBytes(what)));
        return new WorkPlace(Path.Combine(options.WorkFolder, digest[..Digits]));
    }

    /// <summary>Makes the folder where it is missing.</summary>
    /// <exception cref="TransferException">It cannot be made.</exception>
    public void Make() => OutputLock.MakeFolder(folder);

    /// <summary>Removes the folder with all that is in it.</summary>
    public void Remove()
    {
        try
        {
            if (Directory.Exists(folder))
                Directory.Delete(folder, recursive: true);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            throw new TransferException($"'{folder}' cannot be removed: {e.Message} Remove it by hand.", e);
        }
    }
}
