namespace MlNetTransfer.Pipelines;

/// <summary>The shape of a float[] property.</summary>
/// <param name="dimensions">Dimensions, each at least 1; row-major.</param>
[AttributeUsage(AttributeTargets.Property)]
public sealed class VectorTypeAttribute(params int[] dimensions) : Attribute
{
    /// <summary>Dimensions, row-major.</summary>
    public IReadOnlyList<int> Dimensions { get; } = dimensions;
}
