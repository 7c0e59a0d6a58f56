namespace MlNetTransfer.Training;

/// <summary>How the learning rate moves over the steps of a stage; see <see cref="LearningRateSchedule"/>.</summary>
public enum ScheduleKind
{
    /// <summary>After the warm-up half a cosine down to 0 (Loshchilov and Hutter, SGDR, 2017).</summary>
    Cosine,

    /// <summary>
    /// Up from a 25th over the first 30 % of the steps and down to nearly 0, both along cosines (Smith and Topin,
    /// Super-Convergence, 2019).
    /// </summary>
    OneCycle,

    /// <summary>After the warm-up a tenth of it from 60 % of the steps on, a hundredth from 85 %.</summary>
    Step,

    /// <summary>After the warm-up always the same.</summary>
    Constant,
}
