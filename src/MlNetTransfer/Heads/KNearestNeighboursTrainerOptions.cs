namespace MlNetTransfer.Heads;

/// <summary>How a nearest-neighbour head votes. Immutable; an invalid instance cannot be made.</summary>
public sealed record KNearestNeighboursTrainerOptions
{
    /// <summary>Neighbours that vote, in [1, 1000]; never more than training rows. Default 5.</summary>
    public int Neighbours
    {
        get;
        init => field = Check.InRange(value, 1, 1000, nameof(Neighbours));
    } = 5;
}
