namespace MlNetTransfer.Tests.Shared;

/// <summary>
/// A folder for one measurement, removed with everything in it: when disposed, or when the program ends, by Ctrl-C too.
/// </summary>
internal sealed class Scratch : IDisposable
{
    public Scratch() => AppDomain.CurrentDomain.ProcessExit += Remove;

    public string Path { get; } = Directory.CreateTempSubdirectory("mlnet-transfer-measure-").FullName;

    public string File(string name) => System.IO.Path.Combine(Path, name);

    public void Dispose()
    {
        AppDomain.CurrentDomain.ProcessExit -= Remove;
        Remove(null, EventArgs.Empty);
    }

    private void Remove(object? sender, EventArgs e)
    {
        try
        {
            Directory.Delete(Path, recursive: true);
        }
        catch (IOException)
        {
            // Work that Ctrl-C cut off may still be writing; the system empties its folder of temporary files.
        }
    }
}
