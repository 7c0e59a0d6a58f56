using MlNetTransfer.Encoders;
using MlNetTransfer.Onnx;
using MlNetTransfer.Onnx.Proto;

namespace MlNetTransfer.Backbones.Onnx;

/// <summary>
/// Makes a backbone of a BERT-class ONNX model: its layers are found from the graph and from running it, its vocabulary
/// is checked against its table of tokens.
/// </summary>
/// <remarks>
/// The backbone takes token numbers alone, int64 [N, tokens], padded: mask and types are computed from them. Where the
/// model leaves the number of tokens open, the graph cuts what it is given to its longest text, so that padding costs
/// nothing. Each layer's states are pooled to a row, a tap.
/// </remarks>
public static class TextBackboneInspector
{
    /// <summary>Tokens taken where nobody says more and the model takes as many.</summary>
    public const int DefaultTokens = 256;

    private const int MostTaps = 12;

    // Kernels may sum a batch in another order: a thousandth is far above that, and far below what padding does where
    // it is not masked.
    private const double PaddingTolerance = 1e-3;

    // Tables of tokens are padded up to multiples of this for the sake of matrix products.
    private const int TablePadding = 128;

    private static readonly string[] Attention =
    [
        "Softmax",
        "Attention",
        "MultiHeadAttention",
        "DecoderMaskedMultiHeadAttention",
        "GroupQueryAttention",
        "PackedAttention",
        "QAttention",
    ];

    /// <summary>Inspects a model. Runs it a few times, so it takes up to seconds.</summary>
    /// <param name="model">The model; not changed.</param>
    /// <param name="options">Its vocabulary, and what is wanted.</param>
    /// <exception cref="TransferException">The model cannot be a text backbone, or its vocabulary does not fit; the
    /// message says what and how to mend it.</exception>
    /// <exception cref="GraphException">The graph is damaged.</exception>
    public static InspectedTextBackbone Inspect(OnnxModel model, TextInspectionOptions options)
    {
        ArgumentNullException.ThrowIfNull(model);
        ArgumentNullException.ThrowIfNull(options);
        OperatorCheck.Require(model);
        model = model.WithConstantWeights().UpgradeOpset(13);
        TextInputs inputs = TextInputs.Find(model);
        TextTokenizer tokenizer = TextTokenizer.Of(options);
        WordPieces pieces = WordPieces.Of(tokenizer.Vocabulary);
        CheckTable(model, inputs, pieces.Count);
        string output = Output(model, inputs, options.Output);
        List<(string Tensor, int Width)> states = States(model, inputs, output, pieces.Count);
        int tokens = Tokens(
            model,
            inputs,
            options.MaxTokens ?? tokenizer.MaxTokens,
            options.MaxTokens is not null,
            states[^1].Tensor
        );
        if (states.Count > 1)
            CheckSeesAll(model, inputs, states[^1].Tensor, pieces.Count);
        if (inputs.Length is null)
            CheckPadding(model, inputs, states[^1], pieces.Count);
        states = [.. states.TakeLast(MostTaps)];
        var graph = new TextGraph(model, inputs, pieces.PaddingId, tokens);
        BackboneTap[] taps =
        [
            .. states.Select(
                (state, i) =>
                    new BackboneTap
                    {
                        Name = states.Count == 1 ? "tokens" : FormattableString.Invariant($"layer_{i + 1}"),
                        Tensor = graph.Pooled(state.Tensor, state.Width, options.Pooling),
                        Width = state.Width,
                        Size = 1,
                    }
            ),
        ];
        return new InspectedTextBackbone(
            graph.Build(taps[^1].Tensor, taps[^1].Width),
            new TextEncoder
            {
                Vocabulary = tokenizer.Vocabulary,
                LowerCase = tokenizer.LowerCase,
                MaxTokens = tokens,
                Pooling = options.Pooling,
            },
            taps
        );
    }

    /// <summary>The output whose layers are wanted: last_hidden_state, or what comes nearest.</summary>
    private static string Output(OnnxModel model, TextInputs inputs, string? asked)
    {
        string[] names = [.. model.Outputs.Select(o => o.Name)];
        if (asked is not null)
            return names.Contains(asked)
                ? asked
                : throw new TransferException(
                    $"The model has no output '{asked}'; it has {string.Join(", ", names)}. Give one of these."
                );
        HashSet<string> reached = CutPointOf(model, inputs.Ids.Name);
        return Array.Find(names, n => n.EndsWith("last_hidden_state", StringComparison.Ordinal))
            ?? model.Outputs.FirstOrDefault(o => TensorShape.From(o)?.Rank == 3 && reached.Contains(o.Name))?.Name
            ?? Array.Find(names, reached.Contains)
            ?? throw new TransferException(
                $"No output of the model ({string.Join(", ", names)}) depends on '{inputs.Ids.Name}'. Export it again."
            );
    }

    private static HashSet<string> CutPointOf(OnnxModel model, string input)
    {
        HashSet<string> reached = [input];
        foreach (NodeProto node in model.TopologicalOrder().Where(n => n.OpType is not ("Shape" or "Size")))
            if (Subgraphs.NeededBy(node).Any(reached.Contains))
                reached.UnionWith(node.Output.Where(o => o.Length > 0));
        return reached;
    }

    /// <summary>
    /// The states [N, tokens, width] after each layer: what every path passes through right before an attention, and
    /// the last of all. What goes into the first layer is left out where there is one.
    /// </summary>
    private static List<(string Tensor, int Width)> States(OnnxModel model, TextInputs inputs, string output, int count)
    {
        GraphPath path = GraphPath.Between(model, inputs.Ids.Name, output);
        string[] tensors = [.. path.Waypoints.Select(w => w.Tensor)];
        int length = inputs.Length ?? 11;
        IReadOnlyDictionary<string, SampleRun.Result> values = inputs.Run(model, [Some(length, count)], tensors);
        List<string> found = [];
        string? last = null;
        foreach (Waypoint waypoint in path.Waypoints)
        {
            if (last is not null && waypoint.Segment.Any(n => Attention.Contains(n.OpType)))
                found.Add(last);
            if (values[waypoint.Tensor] is { IsNumber: true, Shape: [1, var tokens, > 1] } && tokens == length)
                last = waypoint.Tensor;
        }

        if (last is null)
            throw new TransferException(
                $"No tensor on the way to the output '{output}' is [N, tokens, width], the states of tokens that a "
                    + "text encoder has. Export a BERT-class encoder with its last_hidden_state."
            );
        found = [.. found.Append(last).Distinct()];
        return [.. found.Skip(found.Count > 1 ? 1 : 0).Select(t => (t, values[t].Shape[2]))];
    }

    /// <summary>Each token of a vocabulary has a row in the model's table of tokens.</summary>
    private static void CheckTable(OnnxModel model, TextInputs inputs, int count)
    {
        HashSet<string> ids = [inputs.Ids.Name];
        foreach (NodeProto node in model.TopologicalOrder())
            if (
                node.OpType is "Cast" or "Identity" or "Reshape" or "Squeeze" or "Unsqueeze"
                && ids.Contains(node.Input[0])
            )
                ids.Add(node.Output[0]);
        NodeProto? gather = model.Nodes.FirstOrDefault(n => n.OpType == "Gather" && ids.Contains(n.Input[1]));
        if (
            gather is null
            || model.Initializers.FirstOrDefault(i => i.Name == gather.Input[0]) is not { Dims: [var rows, _] } table
        )
            return;
        long most = (count + TablePadding - 1L) / TablePadding * TablePadding;
        if (count > rows || rows > most)
            throw new TransferException(
                $"The vocabulary has {count} tokens; the model's table '{table.Name}' has {rows} rows, and "
                    + (count > rows ? "each token needs one" : $"at most {most} would fit")
                    + ". They belong to two models: give the vocab.txt that came with this one (--vocabulary)."
            );
    }

    /// <summary>The tokens that a text may have: what is wanted, as far as the model goes.</summary>
    private static int Tokens(OnnxModel model, TextInputs inputs, int wanted, bool isAsked, string last)
    {
        if (inputs.Length is { } length)
            return !isAsked || wanted == length
                ? length
                : throw new TransferException(
                    $"The model takes exactly {length} tokens; --max-tokens is {wanted}. Leave it out, or export the "
                        + "model with a dynamic number of tokens."
                );
        if (Runs(wanted))
            return wanted;
        (int runs, int fails) = (0, wanted);
        while (fails - runs > 1)
        {
            int middle = (runs + fails) / 2;
            (runs, fails) = Runs(middle) ? (middle, fails) : (runs, middle);
        }

        if (runs < 3)
            _ = inputs.Run(model, [Some(3, 1)], [last]);
        return isAsked
            ? throw new TransferException(
                $"The model takes at most {runs} tokens, by its table of positions; --max-tokens is {wanted}. Give at "
                    + $"most {runs}."
            )
            : runs;

        bool Runs(int tokens)
        {
            try
            {
                _ = inputs.Run(model, [Some(tokens, 1)], [last]);
                return true;
            }
            catch (TransferException)
            {
                return false;
            }
        }
    }

    /// <summary>Refuses a model whose tokens see only those before them.</summary>
    private static void CheckSeesAll(OnnxModel model, TextInputs inputs, string last, int count)
    {
        long[] ids = Some(inputs.Length ?? 8, count),
            other = [.. ids];
        other[^1] = (ids[^1] + 1) % count;
        int width = inputs.Run(model, [ids], [last])[last].Shape[2];
        if (First(ids).SequenceEqual(First(other)))
            throw new TransferException(
                "The model's first token does not change with its last one: each sees only those before it. It is a "
                    + "decoder, which writes text token by token; an encoder, which reads all of it, is needed. Export "
                    + "a BERT-class encoder."
            );

        float[] First(long[] row) => inputs.Run(model, [row], [last])[last].Values[..width];
    }

    /// <summary>A text must give the same numbers alone as padded beside a longer one.</summary>
    private static void CheckPadding(OnnxModel model, TextInputs inputs, (string Tensor, int Width) last, int count)
    {
        const int shortTokens = 5,
            longTokens = 9;
        long[] text = Some(shortTokens, count),
            padded = [.. text, .. Enumerable.Repeat(-1L, longTokens - shortTokens)];
        float[] alone = inputs.Run(model, [text], [last.Tensor])[last.Tensor].Values,
            beside = inputs.Run(model, [padded, Some(longTokens, count)], [last.Tensor])[last.Tensor].Values;
        double largest = alone.Max(v => Math.Abs((double)v)),
            difference = alone.Select((v, i) => Math.Abs((double)v - beside[i])).Max();
        if (!(difference <= PaddingTolerance * Math.Max(largest, 1)))
            throw new TransferException(
                FormattableString.Invariant(
                    $"A text of {shortTokens} tokens gives other numbers alone than padded beside a longer one: they "
                )
                    + FormattableString.Invariant(
                        $"differ by {difference:g3} where the largest is {largest:g3}. The model does not heed its "
                    )
                    + "attention mask. Export it again with attention_mask in use."
            );
    }

    /// <summary>Some token numbers below a count, each time the same.</summary>
    private static long[] Some(int length, int count) =>
        [.. Enumerable.Range(0, length).Select(i => (long)((7919L * (i + 1)) % count))];
}

/// <summary>What the inspection of a text model found, and the model in the form of every text backbone.</summary>
/// <param name="Model">The model: token numbers, int64 [N, tokens], to the row of the last tap [N, width].</param>
/// <param name="Encoder">What turns a text into the input.</param>
/// <param name="Taps">The rows of its layers, from the first to the last; at least one.</param>
public sealed record InspectedTextBackbone(OnnxModel Model, TextEncoder Encoder, IReadOnlyList<BackboneTap> Taps);

/// <summary>What the user knows of a text model that its graph does not state. Immutable.</summary>
public sealed record TextInspectionOptions
{
    /// <summary>
    /// The vocabulary, a file with one token on a line. Default null: vocab.txt beside the model.
    /// </summary>
    public string? Vocabulary { get; init; }

    /// <summary>
    /// The folder that vocab.txt and tokenizer_config.json are looked for in. Default null: that of the model's file.
    /// </summary>
    public string? Folder { get; init; }

    /// <summary>
    /// Most tokens of a text, those at its ends included; in [3, 65536]. Default null: 256, or what the model or its
    /// tokenizer_config.json takes where that is less.
    /// </summary>
    public int? MaxTokens
    {
        get;
        init => field = value is { } tokens ? Check.InRange(tokens, 3, 1 << 16, nameof(MaxTokens)) : null;
    }

    /// <summary>
    /// Whether capitals and accents count. Default null: as tokenizer_config.json says, else where the vocabulary has
    /// capitals.
    /// </summary>
    public bool? Cased { get; init; }

    /// <summary>How one row is made of those of the tokens. Default <see cref="TextPooling.Mean"/>.</summary>
    public TextPooling Pooling { get; init; } = TextPooling.Mean;

    /// <summary>Name of the output with the tokens' states. Default null: found from the graph.</summary>
    public string? Output { get; init; }
}
