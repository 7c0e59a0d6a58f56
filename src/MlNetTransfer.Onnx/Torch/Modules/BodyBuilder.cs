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
