using MlNetTransfer.Jobs;
using MlNetTransfer.Tests.Shared;

namespace MlNetTransfer.MLNet.Tests;

internal static class OptionsForTests
{
    /// <summary>The library's own job with the same options, on the folder of the sample images.</summary>
    public static TrainOptions ToJobForTests(this TransferImageClassificationOptions options, string output) => new()
    {
        Folder = Repository.At("data-samples/clipart"),
        Output = output,
        Backbone = options.Backbone,
        Taps = options.Taps,
        Head = options.Head,
        L2 = options.L2,
        TestFraction = options.TestFraction,
        Seed = options.Seed,
    };
}
