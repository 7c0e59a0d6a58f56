namespace MlNetTransfer.Onnx.Torch.Modules;

/// <summary>One line of a forward: a call of a module or of a torch function.</summary>
/// <param name="Function">Name of the function in torch; empty for the call of a module.</param>
/// <param name="Module">The module called, or null.</param>
/// <param name="Arguments">Arguments in the order of torch's schema.</param>
/// <param name="Results">Names of the values it makes.</param>
internal sealed record TorchStep(
    string Function,
    TorchModule? Module,
    IReadOnlyList<TorchArgument> Arguments,
    IReadOnlyList<string> Results
)
{
    /// <summary>
    /// Functions that begin something new rather than end what came before: where a block ends, they stand after it.
    /// </summary>
    private static readonly HashSet<string> Dividers =
    [
        "max_pool2d",
        "avg_pool2d",
        "adaptive_avg_pool2d",
        "softmax",
        "log_softmax",
        "argmax",
        "flatten",
        "dropout",
    ];

    public bool Divides => Dividers.Contains(Function);

    /// <summary>Values it uses.</summary>
    public IEnumerable<string> Uses =>
        Arguments.SelectMany(a =>
            a switch
            {
                TorchArgument.Value value => [value.Name],
                TorchArgument.Values values => values.Names,
                _ => Enumerable.Empty<string>(),
            }
        );

    /// <summary>Modules whose tensors it uses, or that it calls.</summary>
    public IEnumerable<TorchModule> Modules =>
        Arguments.OfType<TorchArgument.Own>().Select(o => o.Module).Concat(Module is null ? [] : [Module]);
}
