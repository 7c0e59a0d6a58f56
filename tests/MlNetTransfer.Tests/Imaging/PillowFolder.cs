namespace MlNetTransfer.Tests.Imaging;

/// <summary>Files that a script made.</summary>
internal sealed class PillowFolder : IDisposable
{
    public string Path { get; } = Directory.CreateTempSubdirectory("pillow-").FullName;

    public byte[] Read(string name) => File.ReadAllBytes(System.IO.Path.Combine(Path, name));

    public IEnumerable<string> Names(string pattern) =>
        Directory
            .EnumerateFiles(Path, pattern)
            .Select(file => System.IO.Path.GetFileName(file))
            .Order(StringComparer.Ordinal);

    public void Dispose() => Directory.Delete(Path, recursive: true);
}
