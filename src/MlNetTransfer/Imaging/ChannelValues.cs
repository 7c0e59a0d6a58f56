namespace MlNetTransfer.Imaging;

/// <summary>One number per colour channel.</summary>
public readonly record struct ChannelValues(float Red, float Green, float Blue);
