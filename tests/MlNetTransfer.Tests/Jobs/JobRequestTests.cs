using System.Collections;
using System.Reflection;
using System.Text.Json;
using MlNetTransfer.Adaptation;
using MlNetTransfer.Backbones;
using MlNetTransfer.Datasets;
using MlNetTransfer.Explain;
using MlNetTransfer.Features;
using MlNetTransfer.Heads;
using MlNetTransfer.Imaging;
using MlNetTransfer.Imaging.Augmentation;
using MlNetTransfer.Jobs;
using MlNetTransfer.Models.Exports;
using MlNetTransfer.Models.Quantization;
using MlNetTransfer.Onnx.Quantization;
using MlNetTransfer.Selective;
using MlNetTransfer.Tests.Shared;
using MlNetTransfer.Training;

namespace MlNetTransfer.Tests.Jobs;

[TestClass]
public sealed class JobRequestTests
{
    private static readonly ImageLimits Limits = new()
    {
        MaxBytes = 1000,
        MaxPixels = 2000,
        MaxWholeFramePixels = 3000,
    };

    private static readonly DatasetOptions Dataset = new()
    {
        AllowEmptyClasses = true,
        MinimumClasses = 3,
        ExtraColumns = ExtraColumns.Refuse,
        PathColumn = "bild",
        TextColumn = "wort",
        LabelColumn = "art",
        Lists = new ListLimits { MaxRows = 4, MaxRowLength = 5 },
        Zip = new ZipLimits
        {
            MaxEntries = 6,
            MaxInflatedBytes = 7L << 40,
            MaxRatio = 8,
        },
    };

    private static readonly FineTuneOptions Tuned = new()
    {
        Freeze = FreezeBoundary.OfPattern("^(stem|one_a)|\"scale\"$"),
        Parameters = TrainedParameters.Affine,
        Epochs = 3,
        LearningRate = 1e-12,
        HeadRate = 0.1,
        BlockDecay = 0.30000000000000004,
        BatchSize = 8,
        MicroBatch = 4,
        Optimizer = OptimizerKind.Sgd,
        Schedule = ScheduleKind.OneCycle,
        WarmUp = 0.2,
        WeightDecay = 0.1,
        StartingPointDecay = 0.2,
        LabelSmoothing = 0,
        Dropout = 0.3,
        ClipNorm = null,
        AverageDecay = 0.999,
        GradualUnfreezing = true,
        BatchStatistics = false,
        ValidationFraction = 0.3,
        Refit = false,
        Blend = false,
        Patience = 2,
        Augmentation = AugmentationPreset.None,
        Draws = 2,
        CacheBytes = long.MaxValue,
        TimeBudget = TimeSpan.FromSeconds(5400.25),
        Threads = 1,
        Engine = "torchsharp",
        InitialWeights = "ä\n\"w\".safetensors",
    };

    private static readonly TrainOptions Training = new TrainOptions
    {
        Folder = "images",
        Dataset = Dataset,
        Unlabelled = "others",
        PseudoLabels = PseudoLabelMethod.Propagation,
        Output = "out",
        Backbone = "mine",
        Backbones = ["a", "ä+b"],
        MaxMilliseconds = 12.5,
        Taps = ["a", "b"],
        TestTimeAugmentation = TestTimeAugmentation.Flip,
        Folds = 7,
        TestFraction = 0.3,
        Seed = int.MinValue,
        DuplicatesTogether = false,
        Workers = 1024,
        Device = ExecutionProvider.TensorRt,
        Head = HeadKind.Neighbours,
        L2 = 1e-8,
        ClassWeights = ClassWeights.Balanced,
        Thresholds = ClassThresholds.MacroF1,
        Reliability = new ReliabilityOptions
        {
            Coverage = 0.8,
            TargetAccuracy = 0.99,
            ScoresUnknown = false,
        },
        Preset = TrainingPreset.Best,
        Logs = LogFormats.Csv | LogFormats.TensorBoard,
        Strategy = TrainingStrategy.FineTune,
        FineTune = Tuned,
        Resume = true,
        SaveWeights = true,
        CacheFolder = "cache",
        CacheFeatures = false,
        Limits = Limits,
    };

    /// <summary>One request of each job, none of whose members is at its default.</summary>
    private static readonly Dictionary<string, JobRequest> All = new()
    {
        ["train"] = Training,
        ["evaluate"] = new EvaluateOptions
        {
            Model = "model.onnx",
            Folder = "images",
            Dataset = Dataset,
            Device = ExecutionProvider.Cuda,
            Limits = Limits,
            Workers = 1024,
        },
        ["compareModels"] = new CompareModelsOptions
        {
            First = "a.onnx",
            Second = "b.onnx",
            Folder = "images",
            Dataset = Dataset,
            Margin = 0.05,
            Device = ExecutionProvider.Cuda,
            Limits = Limits,
            Workers = 1024,
        },
        ["predict"] = new PredictOptions
        {
            Model = "model.onnx",
            Images = ["a.png", "b"],
            TextColumn = "body",
            Texts = ["c"],
            Top = 1,
            Sets = ClassSetKind.Raps,
            Device = ExecutionProvider.Cuda,
            Limits = Limits,
            Workers = 1024,
        },
        ["explain"] = new ExplainOptions
        {
            Model = "model.onnx",
            Images = ["a.png", "b"],
            Output = "out",
            Class = "ä",
            Method = ExplainMethod.Occlusion,
            Side = 100,
            Limits = Limits,
            Workers = 1024,
        },
        ["classify"] = new ClassifyOptions
        {
            Backbone = "mine",
            Images = ["a.png"],
            Top = 100_000,
            CacheFolder = "cache",
            Device = ExecutionProvider.Cuda,
            Limits = Limits,
            Workers = 1024,
        },
        ["compare"] = new CompareOptions
        {
            Folder = "images",
            Dataset = Dataset,
            Backbones = ["a", "b"],
            Head = HeadKind.Ridge,
            TestTimeAugmentation = TestTimeAugmentation.Flip,
            Seed = int.MinValue,
            CacheFolder = "cache",
            CacheFeatures = false,
            Limits = Limits,
            Workers = 1024,
        },
        ["check"] = new CheckOptions
        {
            Folder = "images",
            Dataset = Dataset,
            Backbone = "mine",
            Apply = "cleaned.csv",
            Drop = ["outlier", "labelerror"],
            Seed = int.MinValue,
            CacheFolder = "cache",
            CacheFeatures = false,
            Limits = Limits,
            Workers = 1024,
        },
        ["advise"] = new AdviseOptions
        {
            Folder = "images",
            Dataset = Dataset,
            Backbones = ["a", "b"],
            Source = "photos",
            TimeBudget = TimeSpan.FromSeconds(1),
            Seed = int.MinValue,
            CacheFolder = "cache",
            CacheFeatures = false,
            Limits = Limits,
            Workers = 1024,
        },
        ["distance"] = new DistanceOptions
        {
            First = "images",
            Second = "others",
            Backbone = "mine",
            Seed = int.MinValue,
            CacheFolder = "cache",
            CacheFeatures = false,
            Limits = Limits,
            Workers = 1024,
        },
        ["adapt"] = new AdaptOptions
        {
            Source = "images",
            Dataset = Dataset,
            Target = "others",
            ScoreTarget = true,
            Output = "out",
            Backbone = "mine",
            Method = AlignmentMethod.Coral,
            Head = HeadKind.Ridge,
            Seed = int.MinValue,
            CacheFolder = "cache",
            CacheFeatures = false,
            Limits = Limits,
            Workers = 1024,
        },
        ["zeroShot"] = new ZeroShotOptions
        {
            Folder = "images",
            Dataset = Dataset,
            Attributes = "kinds.csv",
            Penalty = 2,
            Output = "out",
            Backbone = "mine",
            Seed = int.MinValue,
            CacheFolder = "cache",
            CacheFeatures = false,
            Limits = Limits,
            Workers = 1024,
        },
        ["learningRate"] = new LearningRateOptions
        {
            Train = Training,
            Steps = 10,
            Lowest = 1e-7,
            Highest = 1,
        },
        ["tune"] = new TuneOptions
        {
            Train = Training,
            Together = true,
            Trials = 2,
            TimeBudget = TimeSpan.FromHours(1),
        },
        ["quantize"] = new QuantizeOptions
        {
            Backbone = "resnet18",
            Images = ["images"],
            TextColumn = "body",
            Id = "mine",
            CalibrationImages = 1,
            Calibration = new RangeCalibration { Method = CalibrationMethod.Percentile, Percentile = 99 },
            WeightBits = WeightBits.Seven,
            SpeedRounds = 0,
            Seed = 7,
            CacheFolder = "cache",
            Catalog = "backbones",
            Limits = Limits,
            Workers = 1024,
        },
        ["export"] = new ExportOptions
        {
            Model = "model.onnx",
            Format = "int8",
            Images = ["a.png"],
            TextColumn = "body",
            MaxImages = 1,
            CalibrationImages = ["b.png"],
            Quantization = new Int8Options
            {
                CalibrationImages = 1,
                Calibration = new RangeCalibration { Method = CalibrationMethod.Percentile, Percentile = 99 },
                WeightBits = WeightBits.Seven,
                QuantizeHead = true,
                MaxLoss = 0.5,
                AutoFloat = true,
                FloatLayers = ["conv1"],
                SensitivityImages = 1,
                SpeedRounds = 0,
                Seed = 2,
            },
            Output = "out.onnx",
            Overwrite = true,
            AllowDrift = 0,
            Namespace = "Acme.Vision",
            WeightNames = WeightNames.Torch,
            WithFeatures = true,
            WithLogits = true,
            ExternalDataAbove = 1L << 40,
            Limits = Limits,
            Workers = 1024,
        },
        ["import"] = new ImportOptions
        {
            Model = "model.onnx",
            Weights = "w.pt",
            Output = "out.onnx",
            Overwrite = true,
        },
        ["inspect"] = new InspectOptions { File = "model.onnx" },
        ["doctor"] = new DoctorOptions { CacheFolder = "cache" },
    };

    [TestMethod]
    [DataRow("train")]
    [DataRow("evaluate")]
    [DataRow("compareModels")]
    [DataRow("predict")]
    [DataRow("explain")]
    [DataRow("classify")]
    [DataRow("compare")]
    [DataRow("check")]
    [DataRow("advise")]
    [DataRow("distance")]
    [DataRow("adapt")]
    [DataRow("zeroShot")]
    [DataRow("learningRate")]
    [DataRow("tune")]
    [DataRow("export")]
    [DataRow("quantize")]
    [DataRow("import")]
    [DataRow("inspect")]
    [DataRow("doctor")]
    public void FromJson_EveryMemberAwayFromItsDefault_IsWhatWasWritten(string job)
    {
        JobRequest request = All[job];
        string[] forgotten = [.. AtDefault(request, "")];
        Assert.IsEmpty(forgotten, $"An option was added; give it a value above: {string.Join(", ", forgotten)}");
        string json = request.ToJson();
        Assert.AreEqual(request, JobRequest.FromJson(json), json);
        Assert.AreEqual(job, JsonDocument.Parse(json).RootElement.GetProperty("job").GetString());
    }

    [TestMethod]
    public void All_HasEveryRequestOfTheLibrary() =>
        CollectionAssert.AreEquivalent(
            typeof(JobRequest)
                .Assembly.GetTypes()
                .Where(t => t.IsSubclassOf(typeof(JobRequest)) && !t.IsAbstract)
                .ToArray(),
            All.Values.Select(r => r.GetType()).ToArray()
        );

    [TestMethod]
    public void CreateJob_EveryRequest_GivesAJobThatACancelledTokenEnds()
    {
        foreach (JobRequest request in All.Values)
            Assert.ThrowsExactly<OperationCanceledException>(
                () => request.CreateJob().Run(null, new CancellationToken(canceled: true)),
                request.GetType().Name
            );
    }

    [TestMethod]
    public void CreateJob_Doctor_RunsAsAnyJob()
    {
        using var folder = new TempFolder();
        var request = new DoctorOptions { CacheFolder = folder.File("cache") };
        object found = JobRequest.FromJson(request.ToJson()).CreateJob().Run();
        Finding cache = ((DoctorSummary)found).Findings.Single(f => f.Check == "cache");
        StringAssert.Contains(cache.Found, folder.File("cache"));
    }

    /// <summary>A default may differ between machines (cores, cache), and is then that of the one that works.</summary>
    [TestMethod]
    public void ToJson_Defaults_AreLeftOut() =>
        Assert.AreEqual(
            """{"job":"train","folder":"x","output":"y","fineTune":{"freeze":"block:2","schedule":"oneCycle"}}""",
            JsonSerializer.Serialize(
                JsonDocument.Parse(
                    new TrainOptions
                    {
                        Folder = "x",
                        Output = "y",
                        FineTune = new() { Freeze = FreezeBoundary.OfBlocks(2), Schedule = ScheduleKind.OneCycle },
                    }.ToJson()
                )
            )
        );

    [TestMethod]
    [DataRow("""[]""", "The job request is []; expected an object.")]
    [DataRow("""{"job":"doctor",}""", "The job request is not JSON")]
    [DataRow("""{}""", "'job' is missing")]
    [DataRow("""{"job":"trian"}""", "'job' is \"trian\"; expected one of train, evaluate, ")]
    [DataRow("""{"job":3}""", "'job' is 3; expected one of train, ")]
    [DataRow("""{"job":"doctor","epochs":3}""", "'epochs' is 3, and there is no such member.")]
    [DataRow("""{"job":"doctor","CacheFolder":"x"}""", "'CacheFolder' is \"x\", and there is no such member.")]
    [DataRow("""{"job":"doctor","cacheFolder":"x","cacheFolder":"y"}""", "'cacheFolder' is given twice")]
    [DataRow("""{"job":"doctor","job":"train"}""", "'job' is given twice")]
    [DataRow("""{"job":"train","folder":"x"}""", "'output' is missing")]
    [DataRow("""{"job":"classify","backbone":"b","images":[]}""", "'images' is []. Images must name at least 1.")]
    [DataRow("""{"job":"predict","model":"m","images":"a"}""", "'images' is \"a\"; expected a list of texts.")]
    [DataRow("""{"job":"predict","model":"m","images":["a",null]}""", "'images' is [\"a\",null]. Images must not be")]
    [DataRow("""{"job":"predict","model":"m","images":null}""", "'images' is null; expected a list of texts.")]
    public void FromJson_NoRequest_SaysWhy(string json, string expected) => Refused(json, expected);

    [TestMethod]
    [DataRow("\"epochs\":3", "'epochs' is 3, and there is no such member. Near names: ")]
    [DataRow("\"fineTune\":{\"epoch\":3}", "'fineTune.epoch' is 3, and there is no such member. Near names: epochs,")]
    [DataRow("\"fineTune\":{\"epochs\":0}", "'fineTune.epochs' is 0; expected a number from 1 to 10000.")]
    [DataRow("\"fineTune\":{\"epochs\":2.5}", "'fineTune.epochs' is 2.5; expected a whole number.")]
    [DataRow("\"fineTune\":{\"epochs\":\"3\"}", "'fineTune.epochs' is \"3\"; expected a whole number.")]
    [DataRow("\"fineTune\":{\"epochs\":99999999999}", "'fineTune.epochs' is 99999999999; expected a whole number.")]
    [DataRow("\"fineTune\":{\"learningRate\":1e999}", "'fineTune.learningRate' is 1e999; expected a number")]
    [DataRow("\"fineTune\":{\"learningRate\":\"NaN\"}", "'fineTune.learningRate' is \"NaN\"; expected a number.")]
    [DataRow("\"fineTune\":{\"freeze\":\"0,7\"}", "'fineTune.freeze' is \"0,7\". '0,7' is no freeze boundary. Write")]
    [DataRow("\"fineTune\":{\"freeze\":7}", "'fineTune.freeze' is 7. '7' is no freeze boundary. Write")]
    [DataRow("\"fineTune\":{\"freeze\":true}", "'fineTune.freeze' is true; expected text.")]
    [DataRow(
        "\"fineTune\":{\"schedule\":\"cosin\"}",
        "'fineTune.schedule' is \"cosin\"; expected one of cosine, oneCycle"
    )]
    [DataRow("\"fineTune\":{\"schedule\":1}", "'fineTune.schedule' is 1; expected one of cosine, oneCycle")]
    [DataRow("\"fineTune\":{\"timeBudget\":\"90s\"}", "'fineTune.timeBudget' is \"90s\"; expected a time, e.g.")]
    [DataRow(
        "\"fineTune\":{\"timeBudget\":\"00:00:00\"}",
        "'fineTune.timeBudget' is \"00:00:00\". TimeBudget must be above"
    )]
    [DataRow("\"fineTune\":[]", "'fineTune' is []; expected an object.")]
    [DataRow("\"fineTune\":null", "'fineTune' is null; expected ")]
    [DataRow("\"head\":\"rigde\"", "'head' is \"rigde\". There is no head 'rigde'. There are auto, ")]
    [DataRow("\"head\":2", "'head' is 2; expected text.")]
    [DataRow("\"strategy\":\"head,full\"", "'strategy' is \"head,full\". There is no strategy")]
    [DataRow("\"resume\":\"true\"", "'resume' is \"true\"; expected true or false.")]
    [DataRow("\"backbone\":\" \"", "'backbone' is \" \". Backbone must not be empty.")]
    [DataRow("\"backbone\":null", "'backbone' is null; expected text.")]
    [DataRow("\"taps\":[]", "'taps' is []. Taps must name at least 1.")]
    [DataRow("\"workers\":1025", "'workers' is 1025; expected a number from 1 to 1024.")]
    [DataRow("\"l2\":0", "'l2' is 0; expected a number from 1E-08 to 10000.")]
    [DataRow("\"onEpoch\":null", "there is no such member")]
    [DataRow("\"fitsAll\":true", "there is no such member")]
    [DataRow(
        "\"dataset\":{\"zip\":{\"maxRatio\":0}}",
        "'dataset.zip.maxRatio' is 0; expected a number from 1 to 1000000."
    )]
    public void FromJson_WrongMember_IsNamedWithWhatIsExpected(string member, string expected) =>
        Refused($$"""{"job":"train","folder":"x","output":"y",{{member}}}""", expected);

    private static void Refused(string json, string expected)
    {
        TransferException error = Assert.ThrowsExactly<TransferException>(() => JobRequest.FromJson(json), json);
        StringAssert.Contains(error.Message, expected);
    }

    /// <summary>Members of options that have their default, those of options within included.</summary>
    private static IEnumerable<string> AtDefault(object options, string path)
    {
        // Required members have no default; they are null or empty here.
        object standard = System.Runtime.CompilerServices.RuntimeHelpers.GetUninitializedObject(options.GetType());
        if (options.GetType().GetConstructor(Type.EmptyTypes) is { } make)
            standard = make.Invoke(null);
        foreach (PropertyInfo member in options.GetType().GetProperties(BindingFlags.Public | BindingFlags.Instance))
        {
            object? value = member.GetValue(options);
            if (Equals(value, member.GetValue(standard)) || value is ICollection { Count: 0 })
                yield return path + member.Name;
            if (
                value is not null && member.PropertyType.Name.EndsWith("Options", StringComparison.Ordinal)
                || value is ImageLimits or ListLimits or ZipLimits or RangeCalibration
            )
            {
                foreach (string inner in AtDefault(value!, $"{path}{member.Name}."))
                    yield return inner;
            }
        }
    }
}
