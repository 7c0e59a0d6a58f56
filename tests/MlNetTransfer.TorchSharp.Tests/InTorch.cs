using System.Runtime.InteropServices;
using static TorchSharp.torch;

namespace MlNetTransfer.TorchSharp.Tests;

/// <summary>A module in TorchSharp: asked, trained and compared.</summary>
internal static class InTorch
{
    private const int Batch = 5;

    /// <summary>Ends the test as inconclusive where there is no libtorch.</summary>
    public static void Require()
    {
        if (!OperatingSystem.IsLinux() || RuntimeInformation.ProcessArchitecture != Architecture.X64)
            Assert.Inconclusive("libtorch is fetched on linux-x64 only.");
        set_num_threads(Math.Min(2, Environment.ProcessorCount));
    }

    /// <summary>What a module says of the images: [20 × 8], in inference mode.</summary>
    public static float[] Predict(nn.Module net, Func<Tensor, Tensor> forward)
    {
        net.eval();
        using IDisposable scope = NewDisposeScope();
        using IDisposable still = no_grad();
        return [.. Trained.Images.Chunk(Batch).SelectMany(images => forward(Input(images)).data<float>().ToArray())];
    }

    /// <summary>Trains all parameters on a batch by gradient descent.</summary>
    /// <param name="net">A module that gives probabilities.</param>
    /// <param name="forward">Its computation.</param>
    /// <param name="batchStatistics">Whether batch normalisation takes the statistics of the batch.</param>
    /// <returns>Mean cross-entropy in nats before each step, and after the last.</returns>
    public static double[] Train(nn.Module net, Func<Tensor, Tensor> forward, bool batchStatistics)
    {
        const int steps = 3;
        net.train(batchStatistics);
        using IDisposable scope = NewDisposeScope();
        // Two of each class.
        int[] chosen = [.. Trained.Labels.Index().GroupBy(l => l.Item).SelectMany(g => g.Take(2)).Select(l => l.Index)];
        Tensor input = Input([.. chosen.Select(i => Trained.Images[i])]);
        Tensor labels = tensor([.. chosen.Select(i => Trained.Labels[i])]);
        using optim.Optimizer optimizer = optim.SGD(net.parameters(), 0.002);
        List<double> losses = [];
        for (int step = 0; step <= steps; step++)
        {
            Tensor loss = nn.functional.nll_loss(forward(input).log(), labels);
            losses.Add(loss.item<float>());
            if (step == steps)
                break;
            optimizer.zero_grad();
            loss.backward();
            optimizer.step();
        }

        return [.. losses];
    }

    /// <summary>Asserts that two sets of probabilities are one but for rounding, and no label another.</summary>
    /// <remarks>Sums of float32 in another order, through 18 layers: 1e-5 of probabilities.</remarks>
    /// <returns>The largest difference.</returns>
    public static double AssertSame(float[] expected, float[] found)
    {
        Assert.HasCount(expected.Length, found);
        double largest = expected.Zip(found, (e, f) => Math.Abs((double)e - f)).Max();
        Assert.IsLessThan(1e-5, largest);
        CollectionAssert.AreEqual(LikeliestOf(expected), LikeliestOf(found));
        return largest;
    }

    private static int[] LikeliestOf(float[] probabilities) =>
        [
            .. probabilities
                .Chunk(probabilities.Length / Trained.Images.Length)
                .Select(row => row.Index().MaxBy(p => p.Item).Index),
        ];

    private static Tensor Input(float[][] images) =>
        tensor(images.SelectMany(i => i).ToArray(), [images.Length, 3, 224, 224]);
}
