namespace MlNetTransfer.Onnx.Training;

/// <summary>Parameters that are trained alike; each step gives every group its own learning rate.</summary>
public sealed record ParameterGroup
{
    /// <summary>Name of the group, for messages; not empty.</summary>
    public required string Name
    {
        get;
        init =>
            field = string.IsNullOrWhiteSpace(value)
                ? throw new ArgumentException("A parameter group needs a name.", nameof(Name))
                : value;
    }

    /// <summary>Names of float32 initializers of the model, at least one.</summary>
    public required IReadOnlyList<string> Parameters
    {
        get;
        init =>
            field =
                value.Count > 0
                    ? [.. value]
                    : throw new ArgumentException(
                        "A parameter group needs at least one parameter.",
                        nameof(Parameters)
                    );
    }

    /// <summary>
    /// Decoupled weight decay: each step multiplies the weights by 1 - learning rate · this; in [0, 1e3]. Default 0.
    /// (Loshchilov and Hutter, 2019.)
    /// </summary>
    public double WeightDecay
    {
        get;
        init => field = Range.Check(value, 0, 1e3);
    }
}
