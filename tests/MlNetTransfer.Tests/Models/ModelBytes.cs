using MlNetTransfer.Models;
using MlNetTransfer.Onnx;

namespace MlNetTransfer.Tests.Models;

/// <summary>What of a model file does not depend on who trained it.</summary>
internal static class ModelBytes
{
    /// <summary>The file without its model card: that holds an evaluation, which a chain saves none of.</summary>
    public static byte[] WithoutCard(string file) =>
        OnnxModel.Load(file).WithMetadata(ModelMetadata.CardKey, null).ToBytes();
}
