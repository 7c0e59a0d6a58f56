using MlNetTransfer.Backbones;
using MlNetTransfer.Encoders;
using MlNetTransfer.Heads;
using MlNetTransfer.Imaging.Augmentation;
using MlNetTransfer.Onnx;
using MlNetTransfer.Onnx.Proto;
using MlNetTransfer.Onnx.Training;

namespace MlNetTransfer.Training;

/// <summary>What can be trained at all.</summary>
internal sealed partial class FineTuneRecipe
{
    private bool isTried;

    internal static bool IsOfQuantisedWeights(NodeProto node) =>
        node.OpType
            is "DequantizeLinear"
                or "QLinearConv"
                or "QLinearMatMul"
                or "QGemm"
                or "ConvInteger"
                or "MatMulInteger";

    public void Check(IReadOnlyList<BackboneTap> taps, int classes)
    {
        if (!settings.Head.Head.IsLinear)
            throw new TransferException(
                $"A {settings.Head.Head.Label} head is not linear, so it cannot become a layer of the network. Take "
                    + $"--head {string.Join(", ", HeadKind.All.Where(k => k.IsLinear).Select(k => k.Label))}, or "
                    + $"--strategy head."
            );
        if (settings.Backbone.Card.Encoder is not (ImageEncoder or TextEncoder))
            throw new TransferException(
                $"The backbone '{settings.Backbone.Card.Id}' takes "
                    + $"{settings.Backbone.Card.Encoder.Kind.Label}; networks of images or texts alone can be "
                    + $"trained so far. Take --strategy head."
            );
        if (
            texts is not null
            && settings.FineTune.Augmentation is not AugmentationPreset.None
            && settings.FineTune.Augmentation != new FineTuneOptions().Augmentation
        )
            throw new TransferException(
                $"--augment varies images; the backbone '{settings.Backbone.Card.Id}' takes texts. Leave it out."
            );
        if (model.Nodes.FirstOrDefault(IsOfQuantisedWeights) is { } quantised)
            throw new TransferException(
                $"The backbone '{settings.Backbone.Card.Id}' is quantised: '{quantised.OpType}' restores its weights "
                    + "from 8 bits, which no step can change. Take --strategy head, or add the float32 model it was "
                    + "made of."
            );
        // Every length has the same operators; how much memory the real one takes is known with the texts.
        Check(texts is null ? model : TextNetwork.Of(model, LengthOfChecks(texts)), Used(taps), classes);
    }

    private int LengthOfChecks(TextEncoder texts) =>
        TextNetwork.IsFixed(model) ? texts.MaxTokens : Math.Min(texts.MaxTokens, 16);

    private void Check(OnnxModel network, BackboneTap[] used, int classes)
    {
        FineTunePlan plan = FineTunePlan.Of(
            network,
            [.. used.Select(t => t.Tensor)],
            used.Sum(t => t.Width),
            freeze,
            Options.Parameters
        );
        // The exact decay depends on the images; what the average takes in memory does not.
        FineTuneOptions averaged = Options with
        {
            AverageDecay = AverageOf(2 * Options.BatchSize),
        };
        TrainingOptions steps = new TrainingSetUp(averaged, from, plan).Steps(
            plan.Forward(new float[classes * used.Sum(t => t.Width)], new float[classes], Options.Dropout),
            plan.Frozen
        );
        int batch = Math.Min(Options.MicroBatch ?? Options.BatchSize, Options.BatchSize);
        try
        {
            plan.Check(engine, steps, classes, batch);
        }
        catch (TrainingDeviceException e)
        {
            fallback = e.Message;
            engine = TrainingEngines.Find(settings.FineTune.Engine);
            plan.Check(engine, steps, classes, batch);
        }

        isTried = true;
    }

    /// <summary>Tries a device that no check has tried yet.</summary>
    private void RequireTried(RecipeRows all)
    {
        if (settings.TrainingDevice is not null && !isTried)
            Check(all.Taps, all.Images.ClassNames.Count);
    }
}
