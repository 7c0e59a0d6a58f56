namespace MlNetTransfer.Models.Quantization;

/// <summary>What it costs to run one layer on bytes and all others in float.</summary>
/// <param name="Layer">Name of the layer.</param>
/// <param name="Error">Mean squared difference of the logits, over the variance that the float logits have among images
/// and classes; 0 is no error.</param>
public sealed record LayerSensitivity(string Layer, double Error);
