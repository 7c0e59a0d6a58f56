namespace MlNetTransfer.Pipelines;

/// <summary>Puts a step's name before what is wrong with its columns.</summary>
internal static class StepSchema
{
    /// <summary>The columns after a step.</summary>
    /// <param name="step">Its name.</param>
    /// <param name="input">The columns before it.</param>
    /// <param name="add">Checks them and adds the step's own.</param>
    /// <exception cref="SchemaException">They do not fit.</exception>
    public static Schema Of(string step, Schema input, Func<Schema, Schema> add)
    {
        try
        {
            return add(input);
        }
        catch (SchemaException e)
        {
            throw new SchemaException($"{step}: {e.Message}", e);
        }
    }
}
