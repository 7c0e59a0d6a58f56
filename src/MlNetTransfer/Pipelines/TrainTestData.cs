namespace MlNetTransfer.Pipelines;

/// <summary>Data divided in two.</summary>
/// <param name="TrainSet">The rows to learn from.</param>
/// <param name="TestSet">The rows to judge by.</param>
public sealed record TrainTestData(IDataView TrainSet, IDataView TestSet);
