using MlNetTransfer.Backbones;
using MlNetTransfer.Runs;
using MlNetTransfer.Tests.Shared;

namespace MlNetTransfer.Tests.Runs;

/// <summary>Files of ML.NET's Model Builder, in the form of 2023 and in that of 2021, as job files.</summary>
[TestClass]
public sealed class ModelBuilderConfigTests
{
    private const string Present =
            """
                {
                  "Scenario": "ImageClassification",
                  "DataSource": { "Type": "Folder", "Version": 1, "FolderPath": "images" },
                  "Environment": { "Type": "LocalGPU", "Version": 1 },
                  "TrainingOption": {
                    "Version": 2, "Type": "ClassificationTrainingOption", "TrainingTime": 600, "Seed": 3,
                    "ValidationOption": { "Version": 0, "Type": "TrainValidationSplitOption", "SplitRatio": 0.25 }
                  },
                  "RunHistory": {
                    "Version": 3, "Type": "Result", "MetricName": "MicroAccuracy", "Trials": [
                      { "Version": 1, "Type": "Trial", "Score": 0.912345, "RuntimeInSeconds": 38.9, "Parameter": {
                          "_SCHEMA_": "e0 * e1", "e0": { "InputColumnName": "Label" }, "e1": { "Arch": "MobilenetV2" } } }
                    ]
                  },
                  "Type": "TrainingConfig", "Version": 5
                }
                """,
        Earlier =
            """
                {
                  "TrainingConfigurationVersion": 0, "TrainingTime": 2147482,
                  "Scenario": { "ScenarioType": "ImageClassification" },
                  "DataSource": { "DataSourceType": "Folder", "LocalFolderPath": "images" },
                  "Environment": { "EnvironmentType": "Azure" }, "CodeGens": []
                }
                """;

    [TestMethod]
    public void Import_ThePresentForm_IsAJob()
    {
        using var folder = new TempFolder();
        IReadOnlyList<string> notes = Import(folder, Present);
        JobFile job = JobFile.Read(folder.File("job.yaml"));
        Assert.AreEqual(folder.File("images"), job.Train.Folder);
        Assert.AreEqual(0.25, job.Train.TestFraction);
        Assert.AreEqual(3, job.Train.Seed);
        Assert.AreEqual(ExecutionProvider.Cuda, job.Train.Device);
        Assert.IsTrue(notes.Any(note => note.StartsWith("Training time of 600 s", StringComparison.Ordinal)));
        Assert.IsTrue(notes.Any(note => note.StartsWith("MobilenetV2 of TensorFlow", StringComparison.Ordinal)));
        string before = "Model Builder's last run: MicroAccuracy 0.912 on images that it held out itself";
        Assert.IsTrue(notes.Any(note => note.StartsWith(before, StringComparison.Ordinal)));
        StringAssert.Contains(File.ReadAllText(folder.File("job.yaml")), $"# {before}");
    }

    [TestMethod]
    public void Import_TheFormOf2021_IsAJob()
    {
        using var folder = new TempFolder();
        IReadOnlyList<string> notes = Import(folder, Earlier);
        Assert.AreEqual(folder.File("images"), JobFile.Read(folder.File("job.yaml")).Train.Folder);
        CollectionAssert.Contains(notes.ToArray(), "Environment Azure: trained on this machine instead.");
        CollectionAssert.Contains(notes.ToArray(), "Not taken over: CodeGens.");
        Assert.IsFalse(notes.Any(note => note.Contains("2147482", StringComparison.Ordinal)), "it is no limit");
    }

    /// <summary>What a foreign file says stays in its comment.</summary>
    [TestMethod]
    public void Import_TextWithLineBreaks_IsStillAComment()
    {
        using var folder = new TempFolder();
        Import(folder, Present.Replace("MicroAccuracy", "x\\nexports:\\n  - format: fp16\\n#"));
        Assert.IsEmpty(JobFile.Read(folder.File("job.yaml")).Exports);
    }

    [TestMethod]
    public void Import_SomethingElse_SaysWhat()
    {
        using var folder = new TempFolder();
        Contains("has the scenario Regression", Present.Replace("ImageClassification", "Regression"));
        Contains("is no .mbconfig", "not JSON");
        Contains("is no .mbconfig", "[]");
        Contains("names no images", Present.Replace("FolderPath", "Fold"));
        Contains(
            "are at 'C:\\Users\\me\\Images', which is not on this machine",
            Present.Replace("\"images\"", "\"C:\\\\Users\\\\me\\\\Images\"")
        );
        Assert.IsFalse(File.Exists(folder.File("job.yaml")));

        void Contains(string said, string config) =>
            StringAssert.Contains(Assert.ThrowsExactly<TransferException>(() => Import(folder, config)).Message, said);
    }

    [TestMethod]
    public void Import_ImagesThatMoved_TakesTheFolderGiven()
    {
        using var folder = new TempFolder();
        File.WriteAllText(folder.File("a.mbconfig"), Present.Replace("\"images\"", "\"C:\\\\Users\\\\me\\\\Images\""));
        Directory.CreateDirectory(folder.File("here"));
        ModelBuilderConfig.Import(folder.File("a.mbconfig"), folder.File("job.yaml"), folder.File("here"));
        Assert.AreEqual(folder.File("here"), JobFile.Read(folder.File("job.yaml")).Train.Folder);
    }

    private static IReadOnlyList<string> Import(TempFolder folder, string config)
    {
        Directory.CreateDirectory(folder.File("images"));
        File.WriteAllText(folder.File("a.mbconfig"), config);
        return ModelBuilderConfig.Import(folder.File("a.mbconfig"), folder.File("job.yaml"));
    }
}
