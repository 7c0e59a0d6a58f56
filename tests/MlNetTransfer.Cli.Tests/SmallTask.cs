using MlNetTransfer.Tests.Shared;

namespace MlNetTransfer.Cli.Tests;

/// <summary>
/// <see cref="SmallNetwork"/> as a user's backbone: trainings of it take a second, where how good they are is not what
/// is tested.
/// </summary>
internal static class SmallTask
{
    /// <summary>Name of the backbone.</summary>
    public const string Id = "small-of-tests";

    private static readonly Lazy<CliResult> Added = new(() =>
    {
        using TempFolder folder = new();
        SmallNetwork.Build().Save(folder.File("small.onnx"));
        return Cli.Run("models", "add", folder.File("small.onnx"), "--id", Id, "--preprocessing", "unit");
    });

    /// <summary>Arguments that name the backbone, once it is there.</summary>
    public static string[] Backbone
    {
        get
        {
            Assert.AreEqual(ExitCode.Done, Added.Value.Code, Added.Value.ToString());
            return ["--backbone", Id];
        }
    }

    /// <summary>Writes images of three classes and returns their folder.</summary>
    public static string Images(TempFolder folder, int perClass)
    {
        SmallNetwork.WriteImages(folder, "images", perClass);
        return folder.File("images");
    }
}
