namespace MlNetTransfer.Datasets;

/// <summary>A division of rows into training and test rows: together all rows, none twice.</summary>
/// <param name="Train">Indices of the training rows, ascending.</param>
/// <param name="Test">Indices of the test rows, ascending.</param>
public sealed record TrainTestRows(IReadOnlyList<int> Train, IReadOnlyList<int> Test)
{
    /// <param name="test">Whether each row is a test row [rows].</param>
    internal static TrainTestRows Of(bool[] test)
    {
        int[] all = [.. Enumerable.Range(0, test.Length)];
        return new TrainTestRows(
            Array.AsReadOnly(Array.FindAll(all, row => !test[row])),
            Array.AsReadOnly(Array.FindAll(all, row => test[row]))
        );
    }
}
