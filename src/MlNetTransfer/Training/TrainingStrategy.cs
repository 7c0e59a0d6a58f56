namespace MlNetTransfer.Training;

/// <summary>How much of the network a training run changes.</summary>
public enum TrainingStrategy
{
    /// <summary>
    /// The backbone stays frozen; a head is fitted on its features. Seconds, and hard to beat on few images.
    /// </summary>
    Head,

    /// <summary>A head first, then the upper blocks of the backbone with it, at a low learning rate.</summary>
    FineTune,

    /// <summary>A head first, then the whole backbone with it.</summary>
    Full,

    /// <summary>
    /// The same architecture from random weights: what the pretrained ones are worth is the difference.
    /// </summary>
    Scratch,
}
