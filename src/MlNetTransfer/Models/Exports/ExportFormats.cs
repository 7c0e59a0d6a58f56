namespace MlNetTransfer.Models.Exports;

/// <summary>The forms that a trained model can be written in.</summary>
public static class ExportFormats
{
    /// <summary>All formats, in the order in which they are listed.</summary>
    public static IReadOnlyList<IExportFormat> All { get; } =
    [
        new TensorFormat(),
        new PixelsFormat(),
        new HalfFormat(),
        new Int8Format(),
        new TorchScriptFormat(),
        new TorchSharpFormat(),
        new SafetensorsFormat(),
    ];

    /// <summary>The format of the given name.</summary>
    /// <exception cref="TransferException">There is none; the message lists all.</exception>
    public static IExportFormat Get(string name) =>
        All.FirstOrDefault(f => f.Name == name)
        ?? throw new TransferException(
            $"There is no export format '{name}'. Known: {string.Join(", ", All.Select(f => f.Name))}."
        );
}
