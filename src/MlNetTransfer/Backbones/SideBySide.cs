using System.Security.Cryptography;
using System.Text;
using MlNetTransfer.Encoders;
using MlNetTransfer.Imaging;
using MlNetTransfer.Onnx;
using MlNetTransfer.Onnx.Proto;

namespace MlNetTransfer.Backbones;

/// <summary>
/// Several pretrained networks as one backbone, whose taps are those of all: features, heads, model files and exports
/// then know no more of several networks than of one.
/// </summary>
/// <remarks>
/// <para>A tap, and every tensor of the joint graph, is called <c>network/name</c>. Where all networks want images of
/// the same size, framing and filter, the graph has one input <c>image</c> with values pixel / 255, and
/// <c>(x - mean) / deviation</c> of each network is two of its nodes. Those round in float32 as the tables of
/// <see cref="Preprocessing"/> do, so that a network gets the bits it gets alone. Otherwise there is an input for each
/// form of an image: <see cref="ImageFormsEncoder"/>.</para>
/// </remarks>
internal static class SideBySide
{
    /// <summary>What stands between the ids of networks side by side.</summary>
    public const char Plus = '+';

    /// <summary>What stands between a network's id and the name of a tap.</summary>
    private const char Slash = '/';

    // The first operator set in which heads have the form that they write; networks are raised to it once, not twice.
    private const int OpsetOfHeads = 13;

    /// <summary>The ids in a text: <c>a,b</c> or, as reports write it, <c>a+b</c>.</summary>
    public static IReadOnlyList<string> Ids(string text) =>
        text.Split([',', Plus], StringSplitOptions.TrimEntries | StringSplitOptions.RemoveEmptyEntries);

    /// <exception cref="TransferException">There is no id, or one is there twice.</exception>
    internal static void RequireDifferent(IReadOnlyList<string> ids)
    {
        if (ids.Count == 0)
            throw new TransferException("No backbone is given; give at least one id, e.g. resnet18.");
        if (ids.GroupBy(id => id).FirstOrDefault(same => same.Count() > 1) is { } twice)
            throw new TransferException(
                $"The backbone '{twice.Key}' is given {twice.Count()} times; its features would stand there as often. "
                    + $"Give each once."
            );
    }

    /// <summary>The networks as one backbone; a single one as it is.</summary>
    /// <exception cref="TransferException">One of several takes something else than images.</exception>
    internal static Backbone Of(IReadOnlyList<Backbone> parts)
    {
        if (parts.Count == 1)
            return parts[0];
        BackboneCard[] cards = [.. parts.Select(part => part.Card)];
        Preprocessing[] forms = Forms(cards);
        BackboneCard card = Card(cards);
        string digest = Convert.ToHexStringLower(
            SHA256.HashData(Encoding.ASCII.GetBytes(string.Join('\n', parts.Select(p => $"{p.Card.Id} {p.Digest}"))))
        );
        return new Backbone(card, parts, () => Join(parts, forms), digest);
    }

    /// <summary>
    /// The networks that some taps are of, alone: what a model on those taps needs. Their taps come back as that
    /// backbone calls them, in the order given.
    /// </summary>
    internal static (Backbone Backbone, IReadOnlyList<BackboneTap> Taps) Only(
        this Backbone backbone,
        IReadOnlyList<BackboneTap> taps
    )
    {
        Backbone[] used = [.. backbone.Parts.Where(part => taps.Any(tap => tap.Network == part.Card.Id))];
        if (used.Length == 0 || used.Length == backbone.Parts.Count)
            return (backbone, taps);
        if (used.Length > 1)
            return (Of(used), taps);
        return (used[0], [.. taps.Select(tap => used[0].Card.Tap(tap.Name[(used[0].Card.Id.Length + 1)..]))]);
    }

    /// <summary>Name that a tap or tensor of a network has in the joint backbone.</summary>
    internal static string Named(string network, string name) => $"{network}{Slash}{name}";

    /// <summary>The default tap of each network.</summary>
    internal static IReadOnlyList<string> DefaultTaps(this Backbone backbone) =>
        DefaultTaps([.. backbone.Parts.Select(part => part.Card)]);

    /// <summary>The default tap of each network, as the joint backbone calls it.</summary>
    internal static IReadOnlyList<string> DefaultTaps(IReadOnlyList<BackboneCard> cards) =>
        cards.Count == 1 ? [cards[0].DefaultTap] : [.. cards.Select(card => Named(card.Id, card.DefaultTap))];

    /// <summary>The card of the networks as one backbone; that of a single one as it is.</summary>
    /// <exception cref="TransferException">One of several takes something else than images.</exception>
    internal static BackboneCard Card(IReadOnlyList<BackboneCard> cards)
    {
        if (cards.Count == 1)
            return cards[0];
        Preprocessing[] forms = Forms(cards);
        return new BackboneCard
        {
            Id = string.Join(Plus, cards.Select(c => c.Id)),
            Name = string.Join(" + ", cards.Select(c => c.Name)),
            Package = string.Join(Plus, cards.Select(c => c.Package)),
            PackageVersion = string.Join(Plus, cards.Select(c => c.PackageVersion)),
            Format = BackboneFormat.Onnx,
            Files = [.. cards.SelectMany(c => c.Files)],
            License = string.Join(" AND ", cards.Select(c => c.License).Distinct()),
            Provenance = string.Join("; ", cards.Select(c => $"{c.Id}: {c.Provenance}")),
            Preprocessing = forms.Length == 1 ? forms[0] : null,
            Content = forms.Length == 1 ? null : StatedEncoder.Of(new ImageFormsEncoder(forms)),
            Taps = [.. cards.SelectMany(card => card.Taps.Select(tap => Tap(card.Id, tap)))],
            DefaultTap = Named(cards[0].Id, cards[0].DefaultTap),
            SourceClasses = [],
        };
    }

    private static Preprocessing[] Forms(IReadOnlyList<BackboneCard> cards) =>
        [.. cards.Select(card => Form(card.Images)).Distinct()];

    private static BackboneTap Tap(string network, BackboneTap tap) =>
        tap with
        {
            Name = Named(network, tap.Name),
            Tensor = Named(network, tap.Tensor),
            Network = network,
        };

    /// <summary>The image before mean and deviation.</summary>
    private static Preprocessing Form(Preprocessing images) =>
        images with
        {
            Mean = new ChannelValues(0, 0, 0),
            Std = new ChannelValues(1, 1, 1),
        };

    private static OnnxModel Join(IReadOnlyList<Backbone> parts, Preprocessing[] forms)
    {
        OnnxModel union = GraphUnion.Of(
            [.. parts.Select(part => (Named(part.Card.Id, ""), part.LoadModel()))],
            OpsetOfHeads
        );
        string[] inputs =
        [
            .. forms.Select((_, i) => forms.Length == 1 ? Backbone.InputName : ImageFormsEncoder.InputName(i)),
        ];
        return union.With(proto =>
        {
            Dictionary<string, ValueInfoProto> own = proto.Graph.Input.ToDictionary(input => input.Name);
            proto.Graph.Input.Clear();
            List<NodeProto> nodes = [];
            foreach (Backbone part in parts)
            {
                string target = Named(part.Card.Id, Backbone.InputName);
                int form = Array.IndexOf(forms, Form(part.Card.Images));
                if (proto.Graph.Input.All(input => input.Name != inputs[form]))
                {
                    ValueInfoProto common = own[target].Clone();
                    common.Name = inputs[form];
                    proto.Graph.Input.Add(common);
                }

                nodes.AddRange(Normalised(proto.Graph, inputs[form], target, part.Card.Images));
            }

            nodes.AddRange(proto.Graph.Node);
            proto.Graph.Node.Clear();
            proto.Graph.Node.AddRange(nodes);
        });
    }

    /// <summary>(x - mean) / deviation, as far as it changes anything.</summary>
    private static IEnumerable<NodeProto> Normalised(GraphProto graph, string from, string to, Preprocessing images)
    {
        List<(string Operator, string Name, ChannelValues Values)> steps = [];
        if (images.Mean != new ChannelValues(0, 0, 0))
            steps.Add(("Sub", "mean", images.Mean));
        if (images.Std != new ChannelValues(1, 1, 1))
            steps.Add(("Div", "deviation", images.Std));
        for (int i = 0; i < steps.Count; i++)
        {
            (string step, string name, ChannelValues values) = steps[i];
            string constant = $"{to}_{name}",
                output = i == steps.Count - 1 ? to : $"{to}_less_mean";
            graph.Initializer.Add(TensorData.Floats(constant, [values.Red, values.Green, values.Blue], 1, 3, 1, 1));
            yield return new NodeProto
            {
                OpType = step,
                Name = $"{to}_{step}",
                Input = { from, constant },
                Output = { output },
            };
            from = output;
        }

        if (steps.Count == 0)
            yield return new NodeProto
            {
                OpType = "Identity",
                Name = $"{to}_as_is",
                Input = { from },
                Output = { to },
            };
    }
}
