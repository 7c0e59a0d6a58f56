namespace MlNetTransfer.Onnx.Tests;

/// <summary>
/// Damaged files: whatever the bytes, the outcome is a model or a <see cref="GraphException"/>, never another
/// exception.
/// </summary>
[TestClass]
public sealed class FuzzTests
{
    [TestMethod]
    [DataRow(1)]
    [DataRow(2)]
    [DataRow(3)]
    [DataRow(4)]
    public void ParseAndOperations_OnDamagedBytes_NeverFailOtherwise(int seed)
    {
        byte[] intact = (seed % 2 == 0 ? Models.Chain() : Models.Capturing()).ToBytes();
        Random random = new(seed);
        int parsed = 0;
        for (int i = 0; i < 3000; i++)
        {
            byte[] bytes = [.. intact];
            for (int flips = random.Next(1, 6); flips > 0; flips--)
                bytes[random.Next(bytes.Length)] = (byte)random.Next(256);
            if (random.Next(4) == 0)
                bytes = bytes[..random.Next(bytes.Length)];
            try
            {
                OnnxModel model = OnnxModel.Parse(bytes);
                parsed++;
                Exercise(model);
            }
            catch (GraphException)
            {
                // The expected outcome for most of them.
            }
        }

        Assert.IsGreaterThan(100, parsed, "some damaged files still parse, or nothing behind the parser was tried");
    }

    private static void Exercise(OnnxModel model)
    {
        model.ToBytes();
        _ = model.Inputs.Count + model.OpsetVersion() + model.Metadata.Count;
        _ = model.UniqueName("x");
        foreach (Onnx.Proto.ValueInfoProto output in model.Outputs)
            _ = model.DeclaredShape(output.Name);
        foreach (Onnx.Proto.TensorProto tensor in model.Initializers)
        {
            try
            {
                TensorData.ToFloats(tensor);
            }
            catch (GraphException)
            {
                // Another type or a shape that does not fit.
            }
        }

        model.TopologicalOrder();
        model.RemoveUnusedInitializers();
        if (model.Nodes.Count > 0 && model.Nodes[0].Output is [{ Length: > 0 } name, ..])
            model.RenameTensor(name, "renamed").CutAt("renamed");
    }
}
