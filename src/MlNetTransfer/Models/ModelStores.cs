using System.Collections.Concurrent;
using System.Security.Cryptography;
using MlNetTransfer.Onnx;

namespace MlNetTransfer.Models;

/// <summary>Where a <see cref="ModelRegistry"/> keeps the files of models, and what was done with them.</summary>
public interface IModelStore
{
    /// <summary>What it is called in messages; no password.</summary>
    string Name { get; }

    /// <summary>Whether other machines reach it by the same name.</summary>
    bool IsShared { get; }

    /// <summary>Whether <see cref="FileToFollow"/> gives a file of the store itself, which needs no refreshing.
    /// </summary>
    bool IsFolder { get; }

    /// <summary>Names of all models, sorted ordinally.</summary>
    /// <exception cref="TransferException">It cannot be read.</exception>
    IReadOnlyList<string> Models();

    /// <summary>What was done with a model, the last at the end; empty where there is none of that name.</summary>
    /// <param name="model">Its name.</param>
    /// <exception cref="TransferException">It cannot be read.</exception>
    IReadOnlyList<RegistryEntry> History(string model);

    /// <summary>Keeps a file as a version; once it returns, the version is there whole.</summary>
    /// <param name="model">Name of the model.</param>
    /// <param name="version">SHA-256 of the file, hexadecimal.</param>
    /// <param name="file">The file.</param>
    /// <exception cref="TransferException">It cannot be written.</exception>
    void Keep(string model, string version, string file);

    /// <summary>A file on this machine with a version, which nothing changes. Whoever uses it checks its digest.
    /// </summary>
    /// <param name="model">Name of the model.</param>
    /// <param name="version">The version.</param>
    /// <exception cref="TransferException">It cannot be read.</exception>
    string FileOf(string model, string version);

    /// <summary>
    /// A file on this machine that has the version of a stage, under a name that is the same for every version; it is
    /// replaced at one stroke.
    /// </summary>
    /// <param name="model">Name of the model.</param>
    /// <param name="stage">The stage.</param>
    /// <param name="version">The version that it has now.</param>
    /// <exception cref="TransferException">It cannot be read, or the file not written.</exception>
    string FileToFollow(string model, string stage, string version);

    /// <summary>Adds an entry to what was done with a model; nobody else adds one meanwhile.</summary>
    /// <param name="model">Name of the model.</param>
    /// <param name="entryAfter">From what was done so far to the next entry; may throw, and nothing is added.</param>
    /// <returns>The entry.</returns>
    /// <exception cref="TransferException">It cannot be written.</exception>
    RegistryEntry Enter(string model, Func<IReadOnlyList<RegistryEntry>, RegistryEntry> entryAfter);
}

/// <summary>
/// The kinds of places where a registry can lie, by the scheme of their addresses: the package MlNetTransfer.Scoring
/// knows databases. What has no scheme is a folder.
/// </summary>
public static class ModelStores
{
    private static readonly ConcurrentDictionary<string, Func<string, IModelStore>> Known = new(
        StringComparer.OrdinalIgnoreCase
    );

    /// <summary>Adds a kind; one that was added before is replaced.</summary>
    /// <param name="scheme">What its addresses begin with, before a colon: "postgres" for example.</param>
    /// <param name="open">Makes the store of an address; nothing need be reached yet.</param>
    public static void Add(string scheme, Func<string, IModelStore> open) => Known[Check.NotEmpty(scheme)] = open;

    internal static IModelStore Open(string place)
    {
        int colon = place.IndexOf(':', StringComparison.Ordinal);
        // One letter before a colon is a drive of Windows; a folder may have colons in its name elsewhere.
        if (colon < 2 || !place[..colon].All(char.IsAsciiLetter))
            return new ModelFolder(Path.GetFullPath(place));
        return Known.TryGetValue(place[..colon], out Func<string, IModelStore>? open)
            ? open(place)
            : throw new TransferException(
                $"The registry begins with '{place[..colon]}:', and nothing here knows what that is. Expected a folder"
                    + $"{string.Concat(Known.Keys.Order(StringComparer.Ordinal).Select(k => $", or {k}:…"))}. "
                    + "Databases need the package MlNetTransfer.Scoring, and DatabaseModels.Register()."
            );
    }
}

/// <summary>
/// A folder: NAME/versions/SHA256.onnx, NAME/stages/STAGE.onnx, NAME/history.jsonl. Processes exclude each other by a
/// lock file at NAME.
/// </summary>
internal sealed class ModelFolder(string folder) : IModelStore
{
    public string Name => $"'{folder}'";

    /// <summary>Others may have the folder elsewhere, or not at all; its files are known by their paths.</summary>
    public bool IsShared => false;

    public bool IsFolder => true;

    public IReadOnlyList<string> Models() =>
        Directory.Exists(folder)
            ?
            [
                .. Directory
                    .EnumerateDirectories(folder)
                    .Select(path => Path.GetFileName(path))
                    .Where(name => File.Exists(HistoryFile(name)))
                    .Order(StringComparer.Ordinal),
            ]
            : [];

    public IReadOnlyList<RegistryEntry> History(string model) =>
        File.Exists(HistoryFile(model)) ? new Ledger<RegistryEntry>(HistoryFile(model), resume: true).Lines : [];

    public void Keep(string model, string version, string file) =>
        VerifiedFile.Copy(file, FileOf(model, version), version);

    public string FileOf(string model, string version) => Path.Combine(folder, model, "versions", $"{version}.onnx");

    public string FileToFollow(string model, string stage, string version) =>
        Path.Combine(folder, model, "stages", $"{stage}.onnx");

    public RegistryEntry Enter(string model, Func<IReadOnlyList<RegistryEntry>, RegistryEntry> entryAfter)
    {
        OutputLock.MakeFolder(Path.Combine(folder, model));
        using OutputLock held = OutputLock.OfFile(HistoryFile(model));
        RegistryEntry entry = entryAfter(History(model));
        // The stage's file first: an entry never names what is not there.
        VerifiedFile.Copy(FileOf(model, entry.Version), FileToFollow(model, entry.Stage, entry.Version), entry.Version);
        new Ledger<RegistryEntry>(HistoryFile(model), resume: true).Add(entry);
        return entry;
    }

    private string HistoryFile(string name) => Path.Combine(folder, name, "history.jsonl");
}

/// <summary>Files whose name promises what is in them.</summary>
internal static class VerifiedFile
{
    /// <summary>Replaces a file by a copy of another at one stroke.</summary>
    /// <inheritdoc cref="Write"/>
    public static void Copy(string from, string to, string version) =>
        Write(
            to,
            version,
            stream =>
            {
                using FileStream source = RegularFile.OpenRead(from);
                source.CopyTo(stream);
            }
        );

    /// <summary>Writes a file at one stroke, where it has the digest that it should have; else nothing is changed.
    /// </summary>
    /// <param name="path">The file; its folder is made.</param>
    /// <param name="version">SHA-256 that it should have.</param>
    /// <param name="write">Writes it.</param>
    /// <exception cref="TransferException">It is another one, or cannot be written.</exception>
    public static void Write(string path, string version, Action<Stream> write)
    {
        OutputLock.MakeFolder(Path.GetDirectoryName(path)!);
        AtomicFile.Write(
            path,
            stream =>
            {
                using var digest = SHA256.Create();
                using (var hashed = new CryptoStream(stream, digest, CryptoStreamMode.Write, leaveOpen: true))
                    write(hashed);
                Require(path, Convert.ToHexStringLower(digest.Hash!), version);
            }
        );
    }

    /// <summary>Requires that what was found is what was promised.</summary>
    /// <exception cref="TransferException">It is not.</exception>
    public static void Require(string what, string found, string version)
    {
        if (found != version)
            throw new TransferException(
                $"'{what}' has SHA-256 {found}; {version} is expected: it was changed. Add the model again."
            );
    }
}
