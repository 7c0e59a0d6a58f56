namespace MlNetTransfer.Pipelines;

/// <summary>A property that is no column.</summary>
[AttributeUsage(AttributeTargets.Property)]
public sealed class NoColumnAttribute : Attribute;
