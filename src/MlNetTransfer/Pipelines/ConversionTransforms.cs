namespace MlNetTransfer.Pipelines;

/// <summary>Conversions between classes by name and classes by index.</summary>
public sealed class ConversionTransforms
{
    private readonly PipelineEnvironment environment;

    internal ConversionTransforms(PipelineEnvironment environment) => this.environment = environment;

    /// <summary>Makes keys of text: the classes are the distinct values of the rows it is fitted on, in ordinal order. A value that was not there makes a row unusable.</summary>
    /// <param name="outputColumnName">The column of keys to make; may be the column itself.</param>
    /// <param name="inputColumnName">A column of text; null for the output's name.</param>
    public IEstimator<RowTransformer> MapValueToKey(string outputColumnName, string? inputColumnName = null) =>
        new MapValueToKeyEstimator(environment, Check.NotEmpty(outputColumnName), inputColumnName ?? outputColumnName);

    /// <summary>Makes text of keys: the names of the classes.</summary>
    /// <param name="outputColumnName">The column of text to make.</param>
    /// <param name="inputColumnName">A column of keys.</param>
    public IEstimator<RowTransformer> MapKeyToValue(string outputColumnName, string inputColumnName) =>
        new ReadyEstimator(schema => MapKeyToValueTransformer.OutputSchema(schema, outputColumnName, inputColumnName), (_, _) => new MapKeyToValueTransformer(outputColumnName, inputColumnName));
}
