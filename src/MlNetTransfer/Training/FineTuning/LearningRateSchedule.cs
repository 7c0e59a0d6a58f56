namespace MlNetTransfer.Training;

/// <summary>The factor on the learning rates at each step of a stage.</summary>
/// <param name="kind">How it moves.</param>
/// <param name="steps">Steps of the stage, 1 or more.</param>
/// <param name="warmUp">Share of the steps, in [0, 1), over which the factor first rises linearly to 1; one-cycle has a
/// rise of its own.</param>
internal sealed class LearningRateSchedule(ScheduleKind kind, long steps, double warmUp)
{
    private const double CycleRise = 0.3,
        CycleStart = 1 / 25.0,
        CycleEnd = 1e-4;

    /// <summary>The factor, in (0, 1].</summary>
    /// <param name="step">Step, from 0 to steps - 1.</param>
    public double Factor(long step)
    {
        if (kind == ScheduleKind.OneCycle)
        {
            double at = (step + 0.5) / steps;
            return at < CycleRise
                ? Along(CycleStart, 1, at / CycleRise)
                : Along(1, CycleEnd, (at - CycleRise) / (1 - CycleRise));
        }

        double rise = Math.Floor(warmUp * steps);
        if (step < rise)
            return (step + 1) / (rise + 1);
        double done = (step - rise) / (steps - rise);
        return kind switch
        {
            ScheduleKind.Cosine => Along(1, 0, done),
            ScheduleKind.Step => done < 0.6 ? 1
            : done < 0.85 ? 0.1
            : 0.01,
            _ => 1,
        };
    }

    private static double Along(double from, double to, double share) =>
        to + (from - to) * (1 + Math.Cos(Math.PI * share)) / 2;
}
