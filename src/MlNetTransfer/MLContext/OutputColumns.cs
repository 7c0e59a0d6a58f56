using Microsoft.ML;

namespace MlNetTransfer;

/// <summary>Says which columns training adds. Only ML.NET's own estimators can make such a statement, so theirs are asked about columns of the same form.</summary>
internal static class OutputColumns
{
    public static SchemaShape Of(SchemaShape input, TransferImageClassificationOptions options)
    {
        TransformsCatalog transforms = new MLContext().Transforms;

        // One number per key value, named by it; the expression keeps of its annotations the slot names alone.
        return transforms.Conversion.MapKeyToVector(options.ScoreColumnName, options.LabelColumnName)
            .Append(transforms.Expression(options.ScoreColumnName, "x : x", options.ScoreColumnName))
            .Append(transforms.CopyColumns(options.PredictedLabelColumnName, options.LabelColumnName))
            .GetOutputSchema(input);
    }
}
