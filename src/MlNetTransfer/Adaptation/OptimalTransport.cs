using System.Numerics.Tensors;
using MlNetTransfer.Heads;
using MlNetTransfer.Numerics;

namespace MlNetTransfer.Adaptation;

/// <summary>Optimal transport: all source images are carried to the target images at the lowest cost.</summary>
/// <remarks>
/// The plan that minimises Σ P·C - ε·H(P), every image of a domain with the same mass (Cuturi, Sinkhorn distances,
/// NIPS 2013; for domains: Courty, Flamary, Tuia and Rakotomamonjy, Optimal transport for domain adaptation, TPAMI 39,
/// 2017). C is the squared distance of features standardised domain by domain, every tap with the same weight, divided
/// by its mean; ε is 0.03 of that. Sinkhorn's iterations are done on logarithms until a potential moves by less than
/// ε/1000, 300 at most. A source row becomes Σ softmax_j((g_j - C_ij) / ε)·y_j, the mean of the target rows y it is
/// carried to; g are the target's potentials, so that rows that the plan was not made from are carried too (Pooladian
/// and Niles-Weed, Entropic estimation of optimal transport maps, 2021). Of more than 4,000 rows of a domain, 4,000
/// drawn by a seed make the plan.
/// </remarks>
internal static class OptimalTransport
{
    private const double Regularization = 0.03;
    private const int MostRows = 4000,
        MostIterations = 300;

    public static AlignmentMethod Describe() =>
        new("Transport", "optimal transport: a source image becomes the mean of the target images it is like", Align);

    private static float[] Align(DomainPair pair)
    {
        int[] sources = Draw(pair.SourceRows, pair.Seed),
            targets = Draw(pair.TargetRows, pair.Seed);
        float[][] from = Standard(pair.Source, [.. Enumerable.Range(0, pair.SourceRows)], pair),
            to = Standard(pair.Target, targets, pair);
        float[][] costs = Costs([.. sources.Select(row => from[row])], to, pair.Parallel);
        float unit = (float)(
            Regularization * costs.Average(row => (double)TensorPrimitives.Sum<float>(row) / to.Length)
        );
        if (unit == 0)
            return Standardization.Align(pair);
        float[] potentials = Potentials(costs, unit, pair.Parallel);
        var moved = new float[pair.Source.Length];
        Parallel.For(
            0,
            pair.SourceRows,
            pair.Parallel,
            row =>
            {
                var shares = new float[to.Length];
                Cost(from[row], to, shares);
                Exponents(shares, potentials, unit);
                Softmax.InPlace(shares);
                Span<float> into = moved.AsSpan(row * pair.Width, pair.Width);
                for (int j = 0; j < targets.Length; j++)
                    if (shares[j] > 1e-9f)
                        Simd.AddScaled(into, shares[j], pair.TargetRow(targets[j]));
            }
        );
        return moved;
    }

    private static int[] Draw(int rows, int seed)
    {
        int[] all = [.. Enumerable.Range(0, rows)];
        if (rows <= MostRows)
            return all;
        new Rng(seed).Shuffle<int>(all);
        return [.. all.Take(MostRows).Order()];
    }

    /// <summary>Some rows, standardised by all; each tap divided by the root of its width.</summary>
    private static float[][] Standard(float[] values, int[] rows, DomainPair pair)
    {
        var moments = DomainMoments.Of(values, pair.Width);
        var share = new float[pair.Width];
        foreach ((int start, int width) in pair.Blocks)
            share.AsSpan(start, width).Fill((float)(1 / Math.Sqrt(width)));
        float[][] standard = [.. rows.Select(_ => new float[pair.Width])];
        for (int r = 0; r < rows.Length; r++)
        for (int i = 0; i < pair.Width; i++)
            standard[r][i] = share[i] * moments.Standard(values[rows[r] * pair.Width + i], i);
        return standard;
    }

    private static float[][] Costs(float[][] from, float[][] to, ParallelOptions parallel)
    {
        float[][] costs = [.. from.Select(_ => new float[to.Length])];
        Parallel.For(0, from.Length, parallel, i => Cost(from[i], to, costs[i]));
        return costs;
    }

    private static void Cost(float[] row, float[][] to, float[] cost)
    {
        for (int j = 0; j < to.Length; j++)
        {
            float distance = TensorPrimitives.Distance<float>(row, to[j]);
            cost[j] = distance * distance;
        }
    }

    /// <summary>Sinkhorn's potentials of the targets [targets].</summary>
    private static float[] Potentials(float[][] costs, float unit, ParallelOptions parallel)
    {
        int n = costs.Length,
            m = costs[0].Length;
        float[][] byTarget = [.. Enumerable.Range(0, m).Select(j => costs.Select(row => row[j]).ToArray())];
        float[] f = new float[n],
            g = new float[m];
        for (int iteration = 0; iteration < MostIterations; iteration++)
        {
            float[] before = [.. g];
            Update(costs, g, f, unit, parallel);
            Update(byTarget, f, g, unit, parallel);
            // A constant added to all of them changes nothing.
            float shift = (TensorPrimitives.Sum<float>(g) - TensorPrimitives.Sum<float>(before)) / m;
            float moved = 0;
            for (int j = 0; j < m; j++)
                moved = Math.Max(moved, Math.Abs(g[j] - before[j] - shift));
            if (moved < unit / 1000)
                break;
        }

        return g;
    }

    /// <summary>own_i = -ε·log mean_j exp((other_j - C_ij) / ε).</summary>
    private static void Update(float[][] costs, float[] other, float[] own, float unit, ParallelOptions parallel) =>
        Parallel.For(
            0,
            costs.Length,
            parallel,
            () => new float[other.Length],
            (i, _, exponents) =>
            {
                costs[i].CopyTo(exponents, 0);
                Exponents(exponents, other, unit);
                float most = TensorPrimitives.Max<float>(exponents);
                TensorPrimitives.Subtract(exponents, most, exponents);
                TensorPrimitives.Exp<float>(exponents, exponents);
                own[i] = -unit * (most + MathF.Log(TensorPrimitives.Sum<float>(exponents) / exponents.Length));
                return exponents;
            },
            _ => { }
        );

    /// <summary>(potential - cost) / ε, in the place of the costs.</summary>
    private static void Exponents(float[] costs, float[] potentials, float unit)
    {
        TensorPrimitives.Subtract<float>(potentials, costs, costs);
        TensorPrimitives.Divide(costs, unit, costs);
    }
}
