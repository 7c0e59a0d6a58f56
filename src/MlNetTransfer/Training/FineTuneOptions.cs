using MlNetTransfer.Imaging.Augmentation;
using MlNetTransfer.Onnx.Training;

namespace MlNetTransfer.Training;

/// <summary>
/// How a backbone is trained on. Immutable; an invalid instance cannot be made. What is null is set by the strategy;
/// docs/decisions/009-fine-tuning.md has the figures.
/// </summary>
public sealed record FineTuneOptions
{
    /// <summary>
    /// What stays frozen. Default null: half of the blocks for fine-tuning, nothing for full and scratch.
    /// </summary>
    public FreezeBoundary? Freeze { get; init; }

    /// <summary>
    /// Which weights of the blocks above the boundary are trained. Default <see cref="TrainedParameters.All"/>.
    /// </summary>
    public TrainedParameters Parameters { get; init; }

    /// <summary>
    /// Passes over the training images, in [1, 10000]. Default null: see <see cref="NetworkStart"/>.
    /// </summary>
    public int? Epochs
    {
        get;
        init => field = value is { } epochs ? Check.InRange(epochs, 1, 10_000, nameof(Epochs)) : null;
    }

    /// <summary>
    /// Highest learning rate of the top block, in (0, 10]. Default null: short trainings with a tenth to three times
    /// the rate of <see cref="NetworkStart"/> choose one on the validation images; that rate itself from random
    /// weights, for less than 3 epochs, and where there are no validation images. One whose first epoch ruins the
    /// network is lowered.
    /// </summary>
    public double? LearningRate
    {
        get;
        init => field = value is { } rate ? Check.InRange(rate, 1e-12, 10, nameof(LearningRate)) : null;
    }

    /// <summary>
    /// The head's learning rate divided by that of the top block, in [0, 1000]. Default null: 0.03, since the sum over
    /// a wide head's features moves far with small steps; 1 from scratch.
    /// </summary>
    public double? HeadRate
    {
        get;
        init => field = value is { } rate ? Check.InRange(rate, 0, 1000, nameof(HeadRate)) : null;
    }

    /// <summary>
    /// The learning rate of a block divided by that of the block above it, in (0, 1]. Default 0.9. (Howard and Ruder,
    /// ULMFiT, 2018.)
    /// </summary>
    public double BlockDecay
    {
        get;
        init => field = Check.InRange(value, 0.01, 1);
    } = 0.9;

    /// <summary>Images of a step, in [1, 4096]; never more than there are. Default 16.</summary>
    public int BatchSize
    {
        get;
        init => field = Check.InRange(value, 1, 4096);
    } = 16;

    /// <summary>
    /// Images worked on at a time, in [1, 4096]: the same steps but for rounding, in less memory. Default null: the
    /// whole batch.
    /// </summary>
    public int? MicroBatch
    {
        get;
        init => field = value is { } size ? Check.InRange(size, 1, 4096, nameof(MicroBatch)) : null;
    }

    /// <summary>How gradients become steps. Default <see cref="OptimizerKind.AdamW"/>.</summary>
    public OptimizerKind Optimizer { get; init; }

    /// <summary>How the learning rate moves. Default <see cref="ScheduleKind.Cosine"/>.</summary>
    public ScheduleKind Schedule { get; init; }

    /// <summary>Share of the steps over which the learning rate rises, in [0, 0.9]. Default 0.1.</summary>
    public double WarmUp
    {
        get;
        init => field = Check.InRange(value, 0, 0.9);
    } = 0.1;

    /// <summary>
    /// Decoupled weight decay of kernels and matrices (biases and normalisations have none), in [0, 10]. Default 0.01.
    /// </summary>
    public double WeightDecay
    {
        get;
        init => field = Check.InRange(value, 0, 10);
    } = 0.01;

    /// <summary>
    /// L2-SP: pull towards the pretrained weights instead of towards 0, in [0, 10]. Default 0. (Li, Grandvalet and
    /// Davoine, 2018.)
    /// </summary>
    public double StartingPointDecay
    {
        get;
        init => field = Check.InRange(value, 0, 10);
    }

    /// <summary>
    /// Share of a target that is spread over all classes, in [0, 0.9]. Default 0.1. (Szegedy et al., 2016.)
    /// </summary>
    public double LabelSmoothing
    {
        get;
        init => field = Check.InRange(value, 0, 0.9);
    } = 0.1;

    /// <summary>Share of the features dropped before the head while training, in [0, 0.9]. Default 0.</summary>
    public double Dropout
    {
        get;
        init => field = Check.InRange(value, 0, 0.9);
    }

    /// <summary>Largest global norm of the gradients, in (0, 1e6]; null for no limit. Default 5.</summary>
    public double? ClipNorm
    {
        get;
        init => field = value is { } norm ? Check.InRange(norm, 1e-6, 1e6, nameof(ClipNorm)) : null;
    } = 5;

    /// <summary>
    /// Decay of a moving average of the weights, which is judged and kept instead of them, in [0, 1); 0 for none.
    /// Default null: 1 - 1 / the steps of an epoch, 0.999 at most; none from random weights. (Polyak and Juditsky,
    /// Acceleration of Stochastic Approximation by Averaging, 1992.)
    /// </summary>
    public double? AverageDecay
    {
        get;
        init => field = value is { } decay ? Check.InRange(decay, 0, 0.999999, nameof(AverageDecay)) : null;
    }

    /// <summary>
    /// Whether blocks are unfrozen one after another, from the top, each for an equal share of the epochs, instead of
    /// together. Default false. (Howard and Ruder, ULMFiT, 2018.)
    /// </summary>
    public bool GradualUnfreezing { get; init; }

    /// <summary>
    /// Whether batch normalisation uses the statistics of the batches and updates its own. Default null: from random
    /// weights only.
    /// </summary>
    public bool? BatchStatistics { get; init; }

    /// <summary>
    /// Share of the training images that judge the epochs and calibrate, in [0.02, 0.5]. Default 0.15.
    /// </summary>
    public double ValidationFraction
    {
        get;
        init => field = Check.InRange(value, 0.02, 0.5);
    } = 0.15;

    /// <summary>
    /// Whether a second training on all training images follows, the validation part included, for as many epochs as
    /// the first found best, the schedule fitted to them. Default true. It takes the time again, and is left out where
    /// there is a <see cref="TimeBudget"/> or no validation part, and where a new head is written, which is fitted on
    /// all images as it is.
    /// </summary>
    public bool Refit { get; init; } = true;

    /// <summary>
    /// Whether a blend, which averages the logits of the head on the pretrained network and of the trained network, may
    /// be written, where the validation images speak for it. Default true. A blend runs the trained blocks twice, once
    /// with the pretrained weights; what lies below them is run once.
    /// </summary>
    public bool Blend { get; init; } = true;

    /// <summary>
    /// Epochs without a lower validation loss after which training ends, in [1, 10000]. Default null: a third of the
    /// epochs, at least 5. The start does not count.
    /// </summary>
    public int? Patience
    {
        get;
        init => field = value is { } epochs ? Check.InRange(epochs, 1, 10_000, nameof(Patience)) : null;
    }

    /// <summary>How training images are varied. Default <see cref="AugmentationPreset.Strong"/>.</summary>
    public AugmentationPreset Augmentation { get; init; } = AugmentationPreset.Strong;

    /// <summary>
    /// Variants of each image that are kept at the freeze boundary and used in turn, in [1, 1000]. Default 8; fewer
    /// where <see cref="CacheBytes"/> do not hold them.
    /// </summary>
    public int Draws
    {
        get;
        init => field = Check.InRange(value, 1, 1000);
    } = 8;

    /// <summary>
    /// Disk space for activations at the freeze boundary, in bytes, 0 or more. Default 8 GiB. What does not fit is
    /// computed again in every epoch.
    /// </summary>
    public long CacheBytes
    {
        get;
        init => field = Check.InRange(value, 0L, long.MaxValue);
    } = 8L << 30;

    /// <summary>
    /// When to stop at the latest, at the end of an epoch; null for no limit. With it the result depends on the speed
    /// of the machine.
    /// </summary>
    public TimeSpan? TimeBudget
    {
        get;
        init =>
            field =
                value is { } time && time <= TimeSpan.Zero
                    ? throw new ArgumentOutOfRangeException(nameof(TimeBudget), value, "TimeBudget must be above 0.")
                    : value;
    }

    /// <summary>
    /// Threads of a training step, in [1, 256]; another number may give other bytes. Default null: one per core, at
    /// most 8.
    /// </summary>
    public int? Threads
    {
        get;
        init => field = value is { } threads ? Check.InRange(threads, 1, 256, nameof(Threads)) : null;
    }

    /// <summary>Those that a step has on this machine: results depend on them.</summary>
    internal int ThreadsHere => Threads ?? Math.Min(8, Environment.ProcessorCount);

    /// <summary>
    /// What differentiates the network and runs its training steps: a name of <see cref="TrainingEngines"/>. Results
    /// depend on it. Default <see cref="TrainingEngines.Default"/>, our own graphs on ONNX Runtime; the package
    /// MlNetTransfer.TorchSharp adds <c>torchsharp</c>, libtorch on the CPU or a GPU.
    /// </summary>
    public string Engine
    {
        get;
        init => field = Check.NotEmpty(value, nameof(Engine));
    } = TrainingEngines.Default;

    /// <summary>
    /// Weights to start from instead of the pretrained ones: a model.onnx, or a .safetensors, .pt, .pth or .dat file
    /// with all weights of the backbone at the same taps, under their names in the ONNX file or in torch. Default null.
    /// </summary>
    public string? InitialWeights
    {
        get;
        init => field = value is null ? null : Check.NotEmpty(value, nameof(InitialWeights));
    }
}

/// <summary>Which weights of the blocks above the freeze boundary are trained; the head always is.</summary>
public enum TrainedParameters
{
    /// <summary>All of them.</summary>
    All,

    /// <summary>
    /// Vectors alone: scales and shifts of normalisations, and biases; kernels and matrices stay. A thousandth of the
    /// numbers, which a few images can settle. (Frankle, Schwab and Morcos, Training BatchNorm and Only BatchNorm, ICLR
    /// 2021; Ben Zaken, Goldberg and Ravfogel, BitFit, ACL 2022.)
    /// </summary>
    Affine,
}

/// <summary>How gradients become steps.</summary>
public enum OptimizerKind
{
    /// <summary>Adam with decoupled weight decay.</summary>
    AdamW,

    /// <summary>Stochastic gradient descent with momentum 0.9.</summary>
    Sgd,
}

/// <summary>How the learning rate moves over the steps of a stage; see <see cref="LearningRateSchedule"/>.</summary>
public enum ScheduleKind
{
    /// <summary>After the warm-up half a cosine down to 0 (Loshchilov and Hutter, SGDR, 2017).</summary>
    Cosine,

    /// <summary>
    /// Up from a 25th over the first 30 % of the steps and down to nearly 0, both along cosines (Smith and Topin,
    /// Super-Convergence, 2019).
    /// </summary>
    OneCycle,

    /// <summary>After the warm-up a tenth of it from 60 % of the steps on, a hundredth from 85 %.</summary>
    Step,

    /// <summary>After the warm-up always the same.</summary>
    Constant,
}
