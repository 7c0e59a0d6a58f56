using MlNetTransfer.Evaluation;

namespace MlNetTransfer.Tests.Evaluation;

[TestClass]
public sealed class SelectionTests
{
    /// <summary>
    /// Oracle: twenty classifiers that guess are right on half of new rows, whichever of them is taken; the best of them
    /// on these rows is not.
    /// </summary>
    [TestMethod]
    public void Corrected_ManyThatGuess_IsWhatNewRowsGive()
    {
        const int rows = 100,
            tasks = 20;
        double naive = 0,
            corrected = 0;
        for (int task = 0; task < tasks; task++)
        {
            var rng = new Rng(task);
            bool[][] right = [.. Enumerable.Range(0, 20).Select(_ => Draw(rng, rows, 0.5))];
            // Sure guesses: who is right more often has the lower loss by more than its error.
            double[][] losses = [.. right.Select(own => own.Select(hit => hit ? 0.1 : 3.0).ToArray())];
            var selection = new Selection(losses, right);
            naive += right[selection.Taken].Average(hit => hit ? 1.0 : 0) / tasks;
            corrected += selection.Corrected(task).Accuracy / tasks;
        }

        Assert.IsGreaterThan(0.53, naive, "the luck of the best of twenty");
        Assert.AreEqual(0.5, corrected, 0.02, "20 tasks of 100 rows: standard error 0.011");
    }

    [TestMethod]
    public void Taken_WithinOneStandardError_IsTheCheaper()
    {
        double[] cheap = [.. Enumerable.Range(0, 50).Select(i => 1.0 + (i % 2 == 0 ? 0.5 : -0.5))],
            alike = [.. Enumerable.Range(0, 50).Select(i => 0.99 + (i % 3 == 0 ? 0.5 : -0.25))],
            better = [.. cheap.Select(loss => loss - 0.5)];
        bool[] any = new bool[50];
        Assert.AreEqual(0, new Selection([cheap, alike], [any, any]).Taken);
        Assert.AreEqual(1, new Selection([cheap, better], [any, any]).Taken);
    }

    [TestMethod]
    public void Behind_TwoClassifiers_IsTheMeanOfTheirDifferences()
    {
        double[] first = [1, 2, 3, 4],
            second = [0, 2, 1, 1];
        (double mean, double error) = new Selection([first, second], [new bool[4], new bool[4]]).Behind(0);
        // Differences 1, 0, 2, 3: mean 1.5, sum of squares about it 5.
        Assert.AreEqual(1.5, mean, 1e-12);
        Assert.AreEqual(Math.Sqrt(5) / 4, error, 1e-12);
    }

    private static bool[] Draw(Rng rng, int rows, double share) =>
        [.. Enumerable.Range(0, rows).Select(_ => rng.NextDouble() < share)];
}
