using MlNetTransfer.Onnx;

namespace MlNetTransfer.Backbones.Onnx;

/// <summary>
/// Makes a backbone of any ONNX image model: everything is found from the graph and from running it, nothing from
/// names.
/// </summary>
/// <remarks>
/// Input: the only one, float or half precision, [N, 3, H, W] or [N, H, W, 3]; converted by a Cast or Transpose where
/// needed. A fixed batch is made dynamic; two images run together and alone must agree. Taps: see
/// docs/decisions/005-user-backbones.md.
/// </remarks>
public static class OnnxBackboneInspector
{
    /// <summary>Inspects a model. Runs it a few times, so it takes up to seconds.</summary>
    /// <param name="model">The model; not changed.</param>
    /// <param name="options">What the user knows; null for nothing.</param>
    /// <exception cref="TransferException">The model cannot be a backbone, or something that only the user can know is
    /// missing; the message says what and how to mend it.</exception>
    /// <exception cref="GraphException">The graph is damaged.</exception>
    public static InspectedBackbone Inspect(OnnxModel model, OnnxInspectionOptions? options = null)
    {
        options ??= new OnnxInspectionOptions();
        OperatorCheck.Require(model);
        model = model.WithConstantWeights();
        ImageInput input = ImageInput.Find(model);
        int size = input.SizeOr(options.InputSize);
        Imaging.Preprocessing preprocessing = StatedPreprocessing.Of(model, options, size);

        OnnxModel normal = input.Normalise(model, size);
        if (input.Batch is { } batch)
            normal = normal
                .Outputs.Select(o => o.Name)
                .Where(o => normal.Nodes.Any(n => n.Output.Contains(o)))
                .Aggregate(
                    normal,
                    (m, o) => BatchDimension.Free(m, GraphPath.Between(m, Backbone.InputName, o), batch)
                );
        string output = ClassifierOutput.Find(normal, options.Output, size);
        normal = GraphCut.At(normal, [output], typed: false).RemoveUnusedInitializers();

        GraphPath path = GraphPath.Between(normal, Backbone.InputName, output);
        IReadOnlyDictionary<string, SampleRun.Result> values = SampleRun.Of(
            normal,
            [.. path.Waypoints.Select(w => w.Tensor)],
            SampleRun.Noise(1, size),
            1,
            size
        );
        IReadOnlyList<BackboneTap> taps = TapProposals.Propose(path, values, size);
        if (taps.Count == 0)
            throw new TransferException(
                $"No tensor of the model can be tapped: of {path.Waypoints.Count} that every path passes through, "
                    + $"none is a square map [N, channels, side, side] or the row that a last layer takes. Export a "
                    + $"convolutional classifier, or one whose last layer takes one row per image."
            );
        BatchDimension.Check(normal, [.. taps.Select(t => t.Tensor), output], size, input.Batch);
        int classes =
            values[output].Shape is [_, > 1] or [_, > 1, 1, 1] && taps[^1].Tensor != output
                ? values[output].Shape[1]
                : 0;
        IReadOnlyList<string> labels = StatedPreprocessing.Labels(model.Metadata);
        return new InspectedBackbone(
            Declare(normal, taps, values, output),
            preprocessing,
            taps,
            classes,
            labels.Count == classes ? labels : []
        );
    }

    /// <summary>
    /// States the shapes that were found, so that nobody has to infer them, and what an exporter computes while the
    /// model runs is known before.
    /// </summary>
    private static OnnxModel Declare(
        OnnxModel model,
        IReadOnlyList<BackboneTap> taps,
        IReadOnlyDictionary<string, SampleRun.Result> values,
        string output
    ) =>
        model.With(proto =>
        {
            IReadOnlyDictionary<string, TensorShape> types = TensorShapes.Of(
                model,
                [.. taps.Select(t => t.Tensor), output]
            );
            TensorShape Known(string tensor) =>
                new(types[tensor].ElementType, ["N", .. values[tensor].Shape.Skip(1).Select(d => (Dimension)d)]);
            proto.Graph.ValueInfo.AddRange(
                taps.Select(t => t.Tensor).Where(t => t != output).Distinct().Select(t => Known(t).ToValueInfo(t))
            );
            proto.Graph.Output.Clear();
            proto.Graph.Output.Add(Known(output).ToValueInfo(output));
        });
}
