using MlNetTransfer.Datasets;

namespace MlNetTransfer.Tests.Datasets;

[TestClass]
public sealed class PremadeSplitTests
{
    private const SplitPart None = SplitPart.None,
        Train = SplitPart.Train,
        Validation = SplitPart.Validation,
        Test = SplitPart.Test;

    [TestMethod]
    public void TrainTest_AllParts_TrainsOnTrainAndValidation()
    {
        SplitPart[] parts = [Test, Train, Validation, None, Train];
        TrainTestRows split = PremadeSplit.TrainTest(parts, PremadeSplit.HeldOut(parts), "x");
        CollectionAssert.AreEqual(new[] { 1, 2, 4 }, split.Train.ToArray());
        CollectionAssert.AreEqual(new[] { 0 }, split.Test.ToArray());
    }

    [TestMethod]
    public void TrainTest_NoTestPart_HoldsTheValidationPartOut()
    {
        SplitPart[] parts = [Train, Validation, Train];
        CollectionAssert.AreEqual(
            new[] { 1 },
            PremadeSplit.TrainTest(parts, PremadeSplit.HeldOut(parts), "x").Test.ToArray()
        );
    }

    [TestMethod]
    public void TrainTest_TestPartLostByRejections_DoesNotFallBackToValidation() =>
        StringAssert.Contains(
            Assert
                .ThrowsExactly<TransferException>(() => PremadeSplit.TrainTest([Train, Validation], Test, "data.csv"))
                .Message,
            "'data.csv' has no usable test images"
        );

    [TestMethod]
    public void TrainTest_NothingHeldOutOrNothingToTrain_SaysWhich()
    {
        StringAssert.Contains(
            Assert
                .ThrowsExactly<TransferException>(() =>
                    PremadeSplit.TrainTest([Train], PremadeSplit.HeldOut([Train]), "x")
                )
                .Message,
            "test or validation"
        );
        StringAssert.Contains(
            Assert
                .ThrowsExactly<TransferException>(() => PremadeSplit.TrainTest([Test, Validation], Test, "x"))
                .Message,
            "training images"
        );
    }
}
