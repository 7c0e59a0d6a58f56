using System.CommandLine;
using MlNetTransfer.Backbones;

namespace MlNetTransfer.Cli;

/// <summary>Options that several commands have.</summary>
internal static class CommonOptions
{
    public static Option<bool> Json() => new("--json") { Description = "Print one JSON object on standard output, everything else on standard error." };

    public static Option<int> Workers() => Within(new Option<int>("--workers")
    {
        Description = "Images worked on at the same time; no result depends on it. Default: one per core.",
        DefaultValueFactory = _ => Environment.ProcessorCount,
        HelpName = "n",
    }, 1, 1024);

    public static Option<ExecutionProvider> Device() => new("--device")
    {
        Description = "What runs the network. A GPU must give the CPU's numbers on some of the images before it is used; see 'mlnet-transfer doctor'.",
        DefaultValueFactory = _ => ExecutionProvider.Cpu,
    };

    public static Argument<string> Model() => new("model") { Description = "A model.onnx written by 'mlnet-transfer train'." };

    public static Option<string> PathColumn() =>
        Column("--path-column", "Column of a list that has the paths. Default: path, ImagePath, ImageSource, image, file or filename.");

    public static Option<string> LabelColumn() => Column("--label-column", "Column of a list that has the labels. Default: label or class.");

    public static Option<T> Within<T>(Option<T> option, T low, T high)
        where T : IComparable<T>
    {
        option.Validators.Add(result =>
        {
            if (result.Tokens.Count == 0) return;
            T? value = result.GetValueOrDefault<T>();
            if (value is null || value.CompareTo(low) < 0 || value.CompareTo(high) > 0) result.AddError(FormattableString.Invariant($"{option.Name} is {value}; it must be from {low} to {high}."));
        });
        return option;
    }

    private static Option<string> Column(string name, string description)
    {
        var option = new Option<string>(name) { Description = description, HelpName = "name" };
        option.Validators.Add(result =>
        {
            if (result.Tokens is [{ Value: var value }] && string.IsNullOrWhiteSpace(value)) result.AddError($"{name} is empty; expected the name of a column.");
        });
        return option;
    }
}
