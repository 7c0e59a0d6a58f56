using MlNetTransfer.Backbones;
using MlNetTransfer.Onnx;

namespace MlNetTransfer.Jobs;

/// <summary>A way from features to a model: with the backbone frozen, or training it too.</summary>
internal interface ITrainingRoute
{
    /// <summary>Finds what cannot work before an image is read.</summary>
    /// <param name="taps">All taps that may be taken.</param>
    /// <param name="classes">Number of classes.</param>
    /// <exception cref="TransferException">An option contradicts another, or the network cannot be trained as
    /// asked.</exception>
    void Check(IReadOnlyList<BackboneTap> taps, int classes);

    /// <summary>Trains and evaluates.</summary>
    Trial Run(TrainingSet set, IProgress<JobProgress>? progress, CancellationToken cancellation);

    /// <summary>SHA-256 of all that the trained model depends on, 64 hexadecimal digits.</summary>
    string Digest(TrainingSet set, Trial trial);

    /// <summary>The backbone as it is after training.</summary>
    OnnxModel Network(Trial trial);

    /// <summary>Calibrated probabilities of some rows [rows × classes], as they were evaluated.</summary>
    float[] Predict(TrainingSet set, Trial trial, IReadOnlyList<int> rows, CancellationToken cancellation);

    /// <summary>What the report says of the training of the network; null where it stayed frozen.</summary>
    TuneSummary? Summary(Trial trial);

    /// <summary>The model is written: removes what only an interrupted run needs.</summary>
    void Written();
}
