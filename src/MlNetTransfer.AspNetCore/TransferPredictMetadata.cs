namespace MlNetTransfer.AspNetCore;

/// <summary>
/// Marks endpoints that take images, for what describes an application: an OpenAPI document knows the answer's form,
/// but not that of a body that may be an image, a form or JSON.
/// </summary>
public sealed class TransferPredictMetadata;
