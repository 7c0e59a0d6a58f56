using System.Globalization;
using System.Text;
using System.Text.Encodings.Web;
using System.Text.Json;
using System.Text.RegularExpressions;
using MlNetTransfer.Training;

namespace MlNetTransfer.Studio;

/// <summary>
/// What the page about training asks: it becomes the text of a job file. Empty fields are left out of it.
/// </summary>
internal sealed partial class TrainForm
{
    private static readonly JsonSerializerOptions Quoted = new()
    {
        Encoder = JavaScriptEncoder.UnsafeRelaxedJsonEscaping,
    };

    /// <summary>What is trained.</summary>
    public string Strategy { get; set; } = TrainingStrategy.Head.Label;

    /// <summary>How much "auto" tries.</summary>
    public string Preset { get; set; } = "";

    /// <summary>The pretrained network.</summary>
    public string Backbone { get; set; } = "";

    /// <summary>The kind of head.</summary>
    public string Head { get; set; } = "";

    /// <summary>Number of folds, or share held out as "0.2".</summary>
    public string HeldOut { get; set; } = "";

    /// <summary>How images count.</summary>
    public string ClassWeights { get; set; } = "";

    /// <summary>Passes over the images.</summary>
    public string Epochs { get; set; } = "";

    /// <summary>Highest learning rate.</summary>
    public string LearningRate { get; set; } = "";

    /// <summary>What stays frozen.</summary>
    public string Freeze { get; set; } = "";

    /// <summary>How images are varied.</summary>
    public string Augmentation { get; set; } = "";

    /// <summary>Minutes that training may take.</summary>
    public string Minutes { get; set; } = "";

    /// <summary>Seed of the split.</summary>
    public string Seed { get; set; } = "";

    /// <summary>What the lower end of the interval has to reach, in percent.</summary>
    public string LeastAccuracy { get; set; } = "";

    /// <summary>Whether the network is trained, so that the fields about that count.</summary>
    public bool TrainsNetwork => Strategy != TrainingStrategy.Head.Label;

    /// <summary>Whether "auto" is asked for.</summary>
    public bool Chooses => Strategy == TrainingStrategy.Auto.Label;

    /// <summary>The job file.</summary>
    /// <param name="folder">The labelled images.</param>
    public string ToYaml(string folder)
    {
        StringBuilder text = new();
        text.Append("version: 1\n\ntrain:\n  folder: ").Append(Text(folder)).Append('\n');
        Line("strategy", Strategy);
        if (Chooses)
            Line("preset", Preset);
        Line("backbone", Backbone);
        Line("head", Head);
        Line(HeldOut.Contains('.') ? "testFraction" : "folds", HeldOut);
        Line("classWeights", ClassWeights);
        Line("seed", Seed);
        if (TrainsNetwork)
        {
            string[] tuned =
            [
                .. new[]
                {
                    ("epochs", Epochs),
                    ("learningRate", LearningRate),
                    ("freeze", Freeze),
                    ("augmentation", Augmentation),
                    ("timeBudget", Time(Minutes)),
                }
                    .Where(o => o.Item2.Trim().Length > 0)
                    .Select(o => $"{o.Item1}: {Text(o.Item2.Trim())}"),
            ];
            if (tuned.Length > 0)
                text.Append("  fineTune: { ").AppendJoin(", ", tuned).Append(" }\n");
        }

        if (LeastAccuracy.Trim().Length > 0)
            text.Append("\ngates:\n  minAccuracy: ").Append(Text(Share(LeastAccuracy.Trim()))).Append('\n');
        return text.ToString();

        void Line(string name, string value)
        {
            if (value.Trim().Length > 0)
                text.Append("  ").Append(name).Append(": ").Append(Text(value.Trim())).Append('\n');
        }
    }

    /// <summary>A number as it is, anything else in quotes: what it may be is for the job file to say.</summary>
    private static string Text(string value) =>
        Number().IsMatch(value) ? value : JsonSerializer.Serialize(value, Quoted);

    private static string Time(string minutes) =>
        double.TryParse(minutes, NumberStyles.Float, CultureInfo.InvariantCulture, out double number)
        && number is > 0 and < 1e6
            ? TimeSpan.FromMinutes(number).ToString("c", CultureInfo.InvariantCulture)
            : minutes;

    private static string Share(string percent) =>
        double.TryParse(percent, NumberStyles.Float, CultureInfo.InvariantCulture, out double number)
            ? (number / 100).ToString("0.####", CultureInfo.InvariantCulture)
            : percent;

    [GeneratedRegex(@"\A-?\d+(\.\d+)?([eE]-?\d+)?\z")]
    private static partial Regex Number();
}
