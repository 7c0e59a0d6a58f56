namespace MlNetTransfer.Onnx.Torch.Modules;

/// <summary>Finds the module in whose forward each step stands.</summary>
/// <remarks>
/// A step that uses weights stands where they are. One that has none stands in the innermost module that made its
/// latest input, as long as the module takes nothing new by it and does not come to return a second value; so a
/// residual block keeps its addition and the activation after it. Pools and the like begin something new, and stand
/// behind a block that ended. A chain of numbered modules stays one: an addition that ends it stands in the module
/// around it.
/// </remarks>
internal sealed class StepOwners
{
    private readonly IReadOnlyList<TorchStep> steps;
    private readonly TorchModule root;
    private readonly TorchModule?[] owners;
    private readonly Dictionary<string, int> producer = [];
    private readonly ILookup<string, int> users;
    private readonly Dictionary<TorchModule, (int First, int Last)> spans = [];

    private StepOwners(TorchProgram program)
    {
        (steps, root) = (program.Steps, program.Root);
        owners = new TorchModule?[steps.Count];
        for (int i = 0; i < steps.Count; i++)
            foreach (string result in steps[i].Results)
                producer[result] = i;
        users = steps.SelectMany((s, i) => s.Uses.Distinct().Select(u => (u, i))).ToLookup(e => e.u, e => e.i);
    }

    /// <summary>The owner of each step of a program, in their order.</summary>
    public static IReadOnlyList<TorchModule> Of(TorchProgram program)
    {
        StepOwners found = new(program);
        for (int i = 0; i < found.steps.Count; i++)
            found.PlaceByWeights(i);
        for (int i = 0; i < found.steps.Count; i++)
            found.owners[i] ??= found.Place(i);
        return [.. found.owners.Select(o => o!)];
    }

    private void PlaceByWeights(int index)
    {
        TorchModule[] homes = [.. steps[index].Modules.Select(m => m.Layer is null ? m : m.Parent!).Distinct()];
        if (homes.Length == 0)
            return;
        owners[index] = homes[0].Ancestry.First(m => homes.All(h => h.IsWithin(m)));
        foreach (TorchModule module in owners[index]!.Ancestry)
            spans[module] = spans.TryGetValue(module, out (int First, int Last) span)
                ? (span.First, index)
                : (index, index);
    }

    private TorchModule Place(int index)
    {
        TorchStep step = steps[index];
        int latest = step.Uses.Select(u => producer.GetValueOrDefault(u, -1)).DefaultIfEmpty(-1).Max();
        TorchModule owner = latest < 0 ? root : owners[latest]!.Ancestry.First(m => Takes(m, index));
        return step.Function is "adaptive_avg_pool2d" or "mean" or "permute" ? PulledDown(owner, index) : owner;
    }

    private bool Takes(TorchModule module, int index)
    {
        if (module == root)
            return true;
        TorchStep step = steps[index];
        string[] outside = [.. step.Uses.Distinct().Where(u => !Makes(module, u))];
        if (outside.Length > 1 || outside.Any(u => !users[u].Any(i => i < index && IsIn(module, i))))
            return false;
        if (!spans.TryGetValue(module, out (int First, int Last) span) || span.Last > index)
            return true;
        if (step.Uses.Distinct().Count() > 1 && IsChain(module))
            return false;
        return !step.Divides
            && step.Uses.Where(u => Makes(module, u))
                .All(u => users[u].All(i => i == index || (i < index && IsIn(module, i))));
    }

    private static bool IsChain(TorchModule module) =>
        module.Children.Count > 1
        && module.Tensors.Count == 0
        && module.Children.All(c => char.IsAsciiDigit(c.Name[0]));

    /// <summary>
    /// A pool whose only use begins a module further in, as in squeeze and excitation, belongs there; and a change of
    /// layout to the module that needs it, wherever that is.
    /// </summary>
    private TorchModule PulledDown(TorchModule owner, int index)
    {
        int[] next = [.. steps[index].Results.SelectMany(r => users[r])];
        TorchModule? target = next.Length == 1 && steps[next[0]].Module is not null ? owners[next[0]] : null;
        return
            target is not null
            && target != owner
            && (target.IsWithin(owner) || steps[index].Function == "permute")
            && spans[target].First > index
            ? target
            : owner;
    }

    private bool Makes(TorchModule module, string value) => producer.TryGetValue(value, out int i) && IsIn(module, i);

    private bool IsIn(TorchModule module, int index) => owners[index]?.IsWithin(module) == true;
}
