using MlNetTransfer.Backbones;
using MlNetTransfer.Imaging.Augmentation;
using MlNetTransfer.Jobs;
using MlNetTransfer.Onnx;
using MlNetTransfer.Tests.Backbones.Onnx;
using MlNetTransfer.Tests.Shared;
using MlNetTransfer.Training;

namespace MlNetTransfer.Tests.Training.FineTuning;

/// <summary>
/// <see cref="SmallNetwork"/> and its images as a task of the library.
/// </summary>
internal sealed class TuneTask : IDisposable
{
    public const string Id = "small";

    private readonly TempFolder folder = new();

    public TuneTask(int perClass = 12, OnnxModel? network = null, bool batchNormalization = true)
    {
        SmallNetwork.WriteImages(folder, "images", perClass);
        (network ?? SmallNetwork.Build(batchNormalization)).Save(folder.File("small.onnx"));
        var users = new UserCatalog(folder.File("home"));
        users.Add(
            new NewBackbone
            {
                Source = folder.File("small.onnx"),
                Id = Id,
                Inspection = TinyOnnx.Unit,
            }
        );
        Catalog = BackboneCatalog.Shipped.With(users.Read());
    }

    public BackboneCatalog Catalog { get; }

    public string Images => folder.File("images");

    public string Home => folder.File("home");

    public string File(string name) => folder.File(name);

    /// <summary>A run into a folder of its own, of few and quick epochs.</summary>
    public TrainOptions Options(
        string output,
        TrainingStrategy strategy,
        Func<FineTuneOptions, FineTuneOptions>? tune = null
    ) =>
        new()
        {
            Folder = Images,
            Output = folder.File(output),
            Backbone = Id,
            Taps = [.. Catalog.Get(Id).Taps.Select(t => t.Name)],
            CacheFolder = folder.File("cache"),
            Strategy = strategy,
            TestFraction = 0.2,
            Workers = 2,
            FineTune =
                strategy == TrainingStrategy.Head
                    ? new FineTuneOptions()
                    : (tune ?? (o => o))(
                        new FineTuneOptions
                        {
                            Epochs = 3,
                            BatchSize = 8,
                            Threads = 1,
                            LearningRate = 3e-3,
                            Augmentation = AugmentationPreset.Light,
                            Draws = 2,
                            Freeze = strategy == TrainingStrategy.FineTune ? FreezeBoundary.OfBlocks(1) : null,
                        }
                    ),
        };

    /// <summary>A training long and fast enough to beat the head on random features beyond doubt.</summary>
    public static FineTuneOptions Thorough(FineTuneOptions options) =>
        options with
        {
            LearningRate = 0.02,
            HeadRate = 1,
            Epochs = 12,
            Patience = 12,
            AverageDecay = 0,
            ValidationFraction = 0.3,
        };

    public TrainSummary Run(
        TrainOptions options,
        IProgress<JobProgress>? progress = null,
        CancellationToken cancellation = default
    ) => new TrainJob(options, new JobServices { Catalog = Catalog }).Run(progress, cancellation);

    public byte[] Model(string output) => System.IO.File.ReadAllBytes(folder.File($"{output}/model.onnx"));

    /// <summary>Float initializers of a written model by name.</summary>
    public Dictionary<string, float[]> Weights(string output) =>
        WeightsOf(OnnxModel.Load(folder.File($"{output}/model.onnx")));

    /// <summary>Those of the backbone, under the names it was given.</summary>
    public Dictionary<string, float[]> Pretrained() =>
        WeightsOf(new BackboneStore(Catalog, folder.File("cache/backbones")).Open(Id).LoadModel());

    public void Dispose() => folder.Dispose();

    private static Dictionary<string, float[]> WeightsOf(OnnxModel model) =>
        model.Initializers.Where(i => i.DataType == 1).ToDictionary(i => i.Name, TensorData.ToFloats);
}
