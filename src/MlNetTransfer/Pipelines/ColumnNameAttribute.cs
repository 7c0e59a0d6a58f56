namespace MlNetTransfer.Pipelines;

/// <summary>Names the column of a property, where it is not the property's own name.</summary>
/// <param name="name">Name of the column.</param>
[AttributeUsage(AttributeTargets.Property)]
public sealed class ColumnNameAttribute(string name) : Attribute
{
    /// <summary>Name of the column.</summary>
    public string Name { get; } = Check.NotEmpty(name);
}
