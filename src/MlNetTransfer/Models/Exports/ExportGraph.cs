using MlNetTransfer.Features;
using MlNetTransfer.Onnx;

namespace MlNetTransfer.Models.Exports;

/// <summary>What all ONNX exports have in common: the outputs, the operator set, the clean-up.</summary>
internal static class ExportGraph
{
    /// <summary>The operator set that exports state: the first whose Resize is antialiased.</summary>
    public const int Opset = 18;

    /// <summary>Name of the output with the logits, after calibration.</summary>
    public const string LogitsOutput = "logits";

    /// <summary>
    /// The model at <see cref="Opset"/> or its own later one, with the outputs that were asked for: probabilities,
    /// label, features, logits, in this order.
    /// </summary>
    public static OnnxModel WithOutputs(ExportRequest request)
    {
        OnnxModel model = request.Model.UpgradeOpset(Opset);
        List<string> outputs = [.. model.Outputs.Select(o => o.Name)];
        if (request.WithFeatures)
        {
            if (!Has(model, FeatureGraph.Output))
                throw new TransferException(
                    $"'{request.File}' has no tensor '{FeatureGraph.Output}' to give out. Export it without the "
                        + $"features."
                );
            outputs.Add(FeatureGraph.Output);
        }

        if (request.WithLogits)
        {
            string logits = LogitsOf(request.File, model);
            if (logits != LogitsOutput)
                model = model.WithFreeName(LogitsOutput).Model.RenameTensor(logits, LogitsOutput);
            outputs.Add(LogitsOutput);
        }

        return model.CutAt(outputs);
    }

    /// <summary>Constants folded, nodes that do nothing and weights that nothing uses removed.</summary>
    public static OnnxModel CleanedUp(OnnxModel model) =>
        model.FoldConstants().RemoveIdentities().RemoveUnusedInitializers();

    /// <summary>Whether the model has a tensor of the given name that a node makes.</summary>
    public static bool Has(OnnxModel model, string tensor) => model.Nodes.Any(n => n.Output.Contains(tensor));

    /// <summary>The tensor that the probabilities are the softmax of.</summary>
    public static string LogitsOf(string file, OnnxModel model) =>
        model.Nodes.FirstOrDefault(n => n.Output.Contains(TransferModel.ProbabilitiesOutput))
            is { OpType: "Softmax" } softmax
            ? softmax.Input[0]
            : throw new TransferException(
                $"The probabilities of '{file}' are not made by a Softmax, so it has no logits. Export it without "
                    + $"the logits."
            );
}
