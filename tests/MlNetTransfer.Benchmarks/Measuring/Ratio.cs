using System.Globalization;
using System.Text.Json.Serialization;

namespace MlNetTransfer.Benchmarks.Measuring;

/// <summary>How a stored ratio compares with one measured now.</summary>
internal enum Verdict
{
    Same,
    Better,
    Worse,
}

/// <summary>The time of a method as a multiple of its baseline's, and a 95 % interval of it.</summary>
/// <param name="Method">The method.</param>
/// <param name="Parameters">Parameters of the benchmark; empty where there are none.</param>
/// <param name="Value">Geometric mean of the rounds.</param>
/// <param name="Low">Lower end of the interval.</param>
/// <param name="High">Upper end of the interval.</param>
internal sealed record Ratio(string Method, string Parameters, double Value, double Low, double High)
{
    /// <summary>What lies within this factor of the stored ratio is the same: machines differ by as much.</summary>
    public const double Allowed = 1.15;

    /// <summary>Quantiles 0.975 of Student's t for 1 to 9 degrees of freedom.</summary>
    private static readonly double[] Quantiles = [12.706, 4.303, 3.182, 2.776, 2.571, 2.447, 2.365, 2.306, 2.262];

    /// <summary>Rounds that an interval can be made of, at most.</summary>
    public static int MostRounds => Quantiles.Length + 1;

    /// <summary>
    /// Mean and interval of the logarithms of the rounds' ratios. Each round measures baseline and method shortly after
    /// each other, so that the interval holds what other work on the machine does from round to round.
    /// </summary>
    /// <param name="method">The method.</param>
    /// <param name="parameters">Parameters of the benchmark.</param>
    /// <param name="rounds">The ratio of each round, 2 to 10 of them.</param>
    public static Ratio Of(string method, string parameters, IReadOnlyList<double> rounds)
    {
        double[] logs = [.. rounds.Select(r => Math.Log(r))];
        double mean = logs.Average(),
            deviation = Math.Sqrt(logs.Sum(l => (l - mean) * (l - mean)) / (logs.Length - 1)),
            reach = Quantiles[logs.Length - 2] * deviation / Math.Sqrt(logs.Length);
        return new(method, parameters, Math.Exp(mean), Math.Exp(mean - reach), Math.Exp(mean + reach));
    }

    /// <summary>Worse or better only where the whole interval lies beyond 15 % of the stored ratio.</summary>
    public Verdict Against(Ratio stored) =>
        Low > stored.Value * Allowed ? Verdict.Worse
        : High < stored.Value / Allowed ? Verdict.Better
        : Verdict.Same;

    /// <summary>Whether another is of the same method with the same parameters.</summary>
    public bool IsOfSame(Ratio other) => (Method, Parameters) == (other.Method, other.Parameters);

    [JsonIgnore]
    public string Name => Parameters.Length > 0 ? $"{Method} {Parameters}" : Method;

    public override string ToString() =>
        string.Create(CultureInfo.InvariantCulture, $"{Value, 8:0.000}  ({Low:0.000} to {High:0.000})");
}
