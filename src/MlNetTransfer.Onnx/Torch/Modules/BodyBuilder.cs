namespace MlNetTransfer.Onnx.Torch.Modules;

/// <summary>Gives every container a body, so that forward reads as the tree does.</summary>
/// <remarks>
/// A container can be called where its steps need nothing that is made between them by others. One that cannot has no
/// body: its parent runs its parts.
/// </remarks>
internal sealed class BodyBuilder
{
    private const int MostValues = 6;

    private readonly IReadOnlyList<TorchStep> steps;
    private readonly IReadOnlyList<TorchModule> owners;
    private readonly string input,
        output;
    private readonly Dictionary<string, int> producer = [];
    private readonly ILookup<string, int> users;
    private readonly HashSet<TorchModule> opened = [];

    private BodyBuilder(TorchProgram program)
    {
        (steps, owners, input, output) = (program.Steps, StepOwners.Of(program), program.Input, program.Output);
        for (int i = 0; i < steps.Count; i++)
            foreach (string result in steps[i].Results)
                producer[result] = i;
        users = steps.SelectMany((s, i) => s.Uses.Distinct().Select(u => (u, i))).ToLookup(e => e.u, e => e.i);
    }

    /// <summary>Sets the bodies of all containers of a program.</summary>
    public static void Build(TorchProgram program)
    {
        BodyBuilder builder = new(program);
        builder.Body(program.Root, [.. Enumerable.Range(0, program.Steps.Count)]);
    }

    private void Body(TorchModule module, IReadOnlyList<int> indices)
    {
        IReadOnlyList<List<int>>? order;
        List<List<int>> groups;
        while (true)
        {
            groups =
            [
                .. indices.GroupBy(i => Group(module, i) is { } child ? (object)child : i).Select(g => g.ToList()),
            ];
            order = Order(groups);
            if (order is not null)
                break;
            // The group that spans most is what others stand inside of.
            opened.Add(
                groups
                    .Where(g => Group(module, g[0]) is not null)
                    .OrderByDescending(g => g[^1] - g[0] - g.Count)
                    .ThenBy(g => g[0])
                    .Select(g => Group(module, g[0])!)
                    .First()
            );
        }

        List<TorchStep> lines = [];
        foreach (List<int> group in order)
        {
            if (Group(module, group[0]) is not { } child)
            {
                lines.Add(steps[group[0]]);
                continue;
            }

            Body(child, group);
            if (child.Body!.Inputs.Count > MostValues || child.Body.Outputs.Count > MostValues)
            {
                // TorchSharp's modules take six values at most: the parent runs its parts.
                child.Body = null;
                opened.Add(child);
                Body(module, indices);
                return;
            }

            lines.Add(
                new TorchStep(
                    "",
                    child,
                    [.. child.Body!.Inputs.Select(v => new TorchArgument.Value(v))],
                    child.Body.Outputs
                )
            );
        }

        HashSet<int> inside = [.. indices];
        string[] inputs =
        [
            .. indices
                .SelectMany(i => steps[i].Uses)
                .Distinct()
                .Where(v => !producer.TryGetValue(v, out int p) || !inside.Contains(p))
                .OrderBy(v => producer.GetValueOrDefault(v, -1)),
        ];
        string[] outputs =
        [
            .. indices
                .SelectMany(i => steps[i].Results)
                .Where(v => v == output || users[v].Any(u => !inside.Contains(u))),
        ];
        module.Body = module.Parent is null
            ? new TorchBody([input], lines, [output])
            : new TorchBody(inputs, lines, outputs);
    }

    /// <summary>
    /// The part of a module that a step belongs to: the outermost one that is called whole; null for a step of its own.
    /// </summary>
    private TorchModule? Group(TorchModule module, int index) =>
        owners[index].Ancestry.TakeWhile(m => m != module).LastOrDefault(m => !opened.Contains(m));

    /// <summary>
    /// Groups in an order in which they can run, early steps first; null where groups wait for each other.
    /// </summary>
    private List<List<int>>? Order(List<List<int>> groups)
    {
        Dictionary<int, int> groupOf = groups
            .SelectMany((g, n) => g.Select(i => (i, n)))
            .ToDictionary(e => e.i, e => e.n);
        HashSet<int>[] before =
        [
            .. groups.Select(
                (g, n) =>
                    g.SelectMany(i => steps[i].Uses)
                        .Where(producer.ContainsKey)
                        .Select(u => producer[u])
                        .Where(groupOf.ContainsKey)
                        .Select(p => groupOf[p])
                        .Where(p => p != n)
                        .ToHashSet()
            ),
        ];
        List<List<int>> order = [];
        HashSet<int> done = [];
        SortedSet<(int First, int Group)> open = [.. groups.Select((g, n) => (g[0], n))];
        while (open.Count > 0)
        {
            (int First, int Group) next = open.FirstOrDefault(
                o => before[o.Group].IsSubsetOf(done),
                (First: -1, Group: -1)
            );
            if (next.Group < 0)
                return null;
            open.Remove(next);
            done.Add(next.Group);
            order.Add(groups[next.Group]);
        }

        return order;
    }
}

/// <summary>
/// Concatenations that begin as an earlier one does go on from it: a dense block reads <c>x = cat([x, new])</c>, not as
/// lists that grow with every layer.
/// </summary>
internal static class ConcatenationChains
{
    public static List<TorchStep> Shorten(IReadOnlyList<TorchStep> steps)
    {
        List<(IReadOnlyList<string> Parts, TorchArgument Axis, string Result)> before = [];
        return
        [
            .. steps.Select(step =>
            {
                if (
                    step
                    is not { Function: "cat", Arguments: [TorchArgument.Values all, var axis], Results: [var result] }
                )
                    return step;
                IReadOnlyList<string> parts = all.Names;
                (IReadOnlyList<string> Parts, TorchArgument Axis, string Result) start = before
                    .Where(b =>
                        b.Parts.Count < parts.Count
                        && b.Axis == axis
                        && parts.Take(b.Parts.Count).SequenceEqual(b.Parts)
                    )
                    .DefaultIfEmpty()
                    .MaxBy(b => b.Parts?.Count ?? 0);
                before.Add((parts, axis, result));
                return start.Parts is null
                    ? step
                    : step with
                    {
                        Arguments = [new TorchArgument.Values([start.Result, .. parts.Skip(start.Parts.Count)]), axis],
                    };
            }),
        ];
    }
}

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
