using System.Globalization;

namespace MlNetTransfer.Models;

/// <summary>What was done with a version of a model.</summary>
/// <param name="Time">When, in UTC.</param>
/// <param name="Action">added, promoted or rolled back.</param>
/// <param name="Version">SHA-256 of the model file, hexadecimal.</param>
/// <param name="Stage">The stage that it then had.</param>
/// <param name="Reason">Why: what a gate found, or a person said. Null where nothing was said.</param>
public sealed record RegistryEntry(DateTimeOffset Time, string Action, string Version, string Stage, string? Reason);

/// <summary>A model that the registry knows.</summary>
/// <param name="Name">Its name.</param>
/// <param name="Stages">The version that each stage has.</param>
/// <param name="Entries">What was done, the last at the end.</param>
public sealed record RegisteredModel(
    string Name,
    IReadOnlyDictionary<string, string> Stages,
    IReadOnlyList<RegistryEntry> Entries
);

/// <summary>
/// Models by name. Each version is kept under the digest of its file; a stage changes at one stroke, so that whoever
/// follows it (a service that watches it, a batch that is begun) has one version or the other, never a half. It lies in
/// a folder, or in a database (<see cref="ModelStores"/>).
/// </summary>
/// <remarks>What an address resolves to is checked against its digest.</remarks>
/// <param name="place">A folder, or the address of a database; null for <see cref="DefaultPlace"/>.</param>
/// <param name="clock">Dates entries; null for the system's.</param>
public sealed class ModelRegistry(string? place = null, TimeProvider? clock = null)
{
    /// <summary>How addresses begin: registry:NAME@ and a stage, or 8 or more digits of a version's digest.</summary>
    public const string Scheme = "registry:";

    /// <summary>The stage of models that are in use.</summary>
    public const string Production = "production";

    /// <summary>The stage of models that have yet to show what they are worth.</summary>
    public const string Candidate = "candidate";

    /// <summary>Environment variable that names another folder, or a database.</summary>
    public const string Variable = "MLNETTRANSFER_REGISTRY";

    private const int LeastDigits = 8,
        MostLetters = 64;
    private readonly IModelStore store = ModelStores.Open(place ?? DefaultPlace);
    private readonly TimeProvider clock = clock ?? TimeProvider.System;

    /// <summary>MLNETTRANSFER_REGISTRY where it is set, else "registry" below <see cref="DataFolder.Root"/>.</summary>
    public static string DefaultPlace =>
        Environment.GetEnvironmentVariable(Variable) is { Length: > 0 } chosen ? chosen : DataFolder.For("registry");

    /// <summary>What it is called in messages: a folder, or a database without its password.</summary>
    public string Name => store.Name;

    /// <summary>The file of a model: a path as it is; of an address, the version that it has now.</summary>
    /// <param name="model">A path, or registry:NAME@STAGE.</param>
    /// <exception cref="TransferException">There is no such model, stage or version.</exception>
    public static string FileOf(string model)
    {
        ArgumentNullException.ThrowIfNull(model);
        return model.StartsWith(Scheme, StringComparison.Ordinal) ? new ModelRegistry().Resolve(model) : model;
    }

    /// <summary>
    /// The file to watch: a path as it is; of the address of a stage, the file that is replaced when it gets another
    /// version.
    /// </summary>
    /// <inheritdoc cref="FileOf(string)"/>
    public static string FileToFollow(string model)
    {
        string now = FileOf(model);
        return now == model ? model : new ModelRegistry().Follow(model) ?? now;
    }

    /// <summary>Brings <see cref="FileToFollow"/> up to date, where the registry is not a folder that does so itself.
    /// </summary>
    /// <param name="model">A path or an address.</param>
    /// <exception cref="TransferException">The registry cannot be read; the file stays as it is.</exception>
    public static void Refresh(string model)
    {
        ArgumentNullException.ThrowIfNull(model);
        if (
            model.StartsWith(Scheme, StringComparison.Ordinal) && new ModelRegistry() is { store.IsFolder: false } other
        )
            _ = other.Follow(model);
    }

    /// <summary>
    /// What a model is called on every machine: an address with the whole digest of a version where the registry is one
    /// that others reach too, else the full path of its file.
    /// </summary>
    /// <param name="model">A path or an address.</param>
    /// <exception cref="TransferException">There is no such model, stage or version.</exception>
    public static string Everywhere(string model)
    {
        string file = Path.GetFullPath(FileOf(model));
        if (!model.StartsWith(Scheme, StringComparison.Ordinal) || !new ModelRegistry().store.IsShared)
            return file;
        return $"{Scheme}{Parts(model).Name}@{FileDigest.Of(file)}";
    }

    /// <summary>The file of a stage; null where the address is that of a version, which never changes.</summary>
    private string? Follow(string address)
    {
        (string name, string which) = Parts(address);
        return HistoryOf(name).LastOrDefault(entry => entry.Stage == which) is { } last
            ? store.FileToFollow(name, which, last.Version)
            : null;
    }

    /// <summary>The file of an address, which no later promotion changes.</summary>
    /// <exception cref="TransferException">There is no such model, stage or version; or a version is not what its
    /// digest says.</exception>
    public string Resolve(string address)
    {
        ArgumentNullException.ThrowIfNull(address);
        (string name, string which) = Parts(address);
        return FileOf(Find(name), which);
    }

    private string FileOf(RegisteredModel model, string which)
    {
        if (!model.Stages.TryGetValue(which, out string? version))
        {
            string[] versions =
            [
                .. model
                    .Entries.Select(entry => entry.Version)
                    .Distinct()
                    .Where(v => which.Length >= LeastDigits && v.StartsWith(which, StringComparison.OrdinalIgnoreCase)),
            ];
            version = versions is [var only]
                ? only
                : throw new TransferException(
                    $"'{model.Name}' has no stage or version '{which}'. Stages: {List(model.Stages.Keys)}; versions: "
                        + $"{List(model.Entries.Select(entry => entry.Version[..12]).Distinct())}."
                );
        }

        string file = store.FileOf(model.Name, version);
        RequireDigest(file, version);
        return file;
    }

    private static (string Name, string Which) Parts(string address)
    {
        int start = address.StartsWith(Scheme, StringComparison.Ordinal) ? Scheme.Length : 0;
        string[] parts = address[start..].Split('@');
        if (parts is not [var name, { Length: > 0 } which])
            throw new TransferException(
                $"'{address}' is no address of a model; expected {Scheme}NAME@{Production}, another stage, or the "
                    + $"first {LeastDigits} or more digits of a version."
            );
        return (name, which);
    }

    /// <summary>All models, by name.</summary>
    public IReadOnlyList<RegisteredModel> List() => [.. store.Models().Select(Find)];

    /// <summary>What is known of a model.</summary>
    /// <exception cref="TransferException">There is none of that name.</exception>
    public RegisteredModel Find(string name)
    {
        RequireName(name, "model");
        return HistoryOf(name) is { Count: > 0 } entries
            ? Of(name, entries)
            : throw new TransferException(
                $"The registry {store.Name} has no model '{name}'. It has: {List(store.Models())}. Add it by "
                    + "'mlnet-transfer registry add'."
            );
    }

    /// <summary>What was done with a model: versions and stages name files, so nothing else may stand there.</summary>
    private IReadOnlyList<RegistryEntry> HistoryOf(string name) => Required(name, store.History(name));

    private IReadOnlyList<RegistryEntry> Required(string name, IReadOnlyList<RegistryEntry> entries)
    {
        foreach (RegistryEntry entry in entries)
        {
            RequireName(entry.Stage, "stage");
            if (entry.Version.Length != 64 || !entry.Version.All(char.IsAsciiHexDigitLower))
                throw new TransferException(
                    $"The registry {store.Name} has '{entry.Version}' as a version of '{name}'; expected a SHA-256, 64 "
                        + "hexadecimal digits. Somebody else wrote there: remove that entry."
                );
        }

        return entries;
    }

    private static RegisteredModel Of(string name, IReadOnlyList<RegistryEntry> entries)
    {
        Dictionary<string, string> stages = [];
        foreach (RegistryEntry entry in entries)
            stages[entry.Stage] = entry.Version;
        return new RegisteredModel(name, stages, entries);
    }

    /// <summary>Adds a model file as a version, and gives it a stage.</summary>
    /// <param name="name">Name of the model: letters, digits, '-', '_' and '.'.</param>
    /// <param name="file">A model.onnx of this library.</param>
    /// <param name="stage">The stage.</param>
    /// <param name="reason">Why; null for nothing.</param>
    /// <returns>The version: SHA-256 of the file.</returns>
    /// <exception cref="TransferException">The file is no model of this library, or the registry cannot be
    /// written.</exception>
    public string Add(string name, string file, string stage = Candidate, string? reason = null)
    {
        RequireName(name, "model");
        RequireName(stage, "stage");
        file = FileOf(file);
        _ = ModelFile.Load(file);
        string version = FileDigest.Of(file);
        store.Keep(name, version, file);
        return Enter(name, "added", stage, reason, _ => version);
    }

    /// <summary>Gives a stage the version of another one, or a given version.</summary>
    /// <param name="name">Name of the model.</param>
    /// <param name="from">A stage, or the first digits of a version.</param>
    /// <param name="stage">The stage that is to have it.</param>
    /// <param name="reason">Why; null for nothing.</param>
    /// <returns>The version.</returns>
    /// <exception cref="TransferException">There is no such model or version.</exception>
    public string Promote(string name, string from = Candidate, string stage = Production, string? reason = null)
    {
        RequireName(stage, "stage");
        _ = Find(name);
        return Enter(name, "promoted", stage, reason, model => FileDigest.Of(FileOf(model, from)));
    }

    /// <summary>Gives a stage the version that it had before the present one.</summary>
    /// <returns>The version.</returns>
    /// <exception cref="TransferException">There is no such model or stage, or it had one version only.</exception>
    public string RollBack(string name, string stage = Production, string? reason = null)
    {
        _ = Find(name);
        return Enter(
            name,
            "rolled back",
            stage,
            reason,
            model =>
            {
                if (!model.Stages.TryGetValue(stage, out string? now))
                    throw new TransferException($"'{name}' has no stage '{stage}'. Stages: {List(model.Stages.Keys)}.");
                string version = Before(model, stage, now);
                RequireDigest(store.FileOf(name, version), version);
                return version;
            }
        );
    }

    /// <summary>What a stage had before; versions that were rolled back from are passed over, so that a second call
    /// goes one further.</summary>
    private static string Before(RegisteredModel model, string stage, string now)
    {
        List<string> had = [];
        foreach (RegistryEntry entry in model.Entries.Where(entry => entry.Stage == stage))
            if (entry.Action == "rolled back")
                had.RemoveRange(had.LastIndexOf(entry.Version) + 1, had.Count - had.LastIndexOf(entry.Version) - 1);
            else if (had.LastOrDefault() != entry.Version)
                had.Add(entry.Version);
        return had is [.., var before, _]
            ? before
            : throw new TransferException(
                $"Stage '{stage}' of '{model.Name}' has had one version only, {now[..12]}: there is none to go back to."
            );
    }

    private string Enter(
        string name,
        string action,
        string stage,
        string? reason,
        Func<RegisteredModel, string> version
    ) =>
        store
            .Enter(
                name,
                entries => new RegistryEntry(
                    clock.GetUtcNow(),
                    action,
                    version(Of(name, Required(name, entries))),
                    stage,
                    reason
                )
            )
            .Version;

    private static void RequireDigest(string file, string version) =>
        VerifiedFile.Require(file, FileDigest.Of(file), version);

    private static void RequireName(string name, string what)
    {
        if (
            name.Length is 0 or > MostLetters
            || !char.IsAsciiLetterOrDigit(name[0])
            || !name.All(c => char.IsAsciiLetterOrDigit(c) || c is '-' or '_' or '.')
        )
            throw new TransferException(
                string.Create(
                    CultureInfo.InvariantCulture,
                    $"The name of the {what} is '{name}'; expected at most {MostLetters} letters, digits, '-', '_' and "
                ) + "'.', a letter or digit first."
            );
    }

    private static string List(IEnumerable<string> names) =>
        string.Join(", ", names) is { Length: > 0 } all ? all : "none";
}
