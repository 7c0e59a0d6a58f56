using System.Reflection;
using Microsoft.ML.OnnxRuntime;
using MlNetTransfer.Backbones;

namespace MlNetTransfer.Hosting.Tests;

/// <summary>
/// Looks at ONNX Runtime's own handle: what is not freed there is leaked, whatever the product counts.
/// </summary>
internal static class Sessions
{
    private static readonly FieldInfo Handle = typeof(InferenceSession).GetField(
        "_nativeHandle",
        BindingFlags.NonPublic | BindingFlags.Instance
    )!;

    private static readonly PropertyInfo Session = typeof(ItemGraph).GetProperty(
        "Session",
        BindingFlags.NonPublic | BindingFlags.Instance
    )!;

    private static readonly FieldInfo Native = Session.PropertyType.GetField(
        "session",
        BindingFlags.NonPublic | BindingFlags.Instance
    )!;

    private static readonly FieldInfo Slot = typeof(HostedModel).GetField(
        "slot",
        BindingFlags.NonPublic | BindingFlags.Instance
    )!;

    private static readonly FieldInfo Engines = typeof(ModelSlot).GetField(
        "engines",
        BindingFlags.NonPublic | BindingFlags.Instance
    )!;

    /// <summary>The sessions a model has opened and not forgotten.</summary>
    public static InferenceSession[] Of(ITransferPredictor predictor) =>
        [
            .. ((List<ModelEngine>)Engines.GetValue(Slot.GetValue(predictor))!).Select(e =>
                (InferenceSession)Native.GetValue(Session.GetValue(e.Model.Model.Graph))!
            ),
        ];

    public static bool IsFreed(InferenceSession session) => (nint)Handle.GetValue(session)! == 0;
}
