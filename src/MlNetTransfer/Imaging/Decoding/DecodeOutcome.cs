namespace MlNetTransfer.Imaging.Decoding;

/// <summary>How far a decoder came.</summary>
internal enum DecodeOutcome
{
    Done,
    FailedInHeader,
    FailedInPixels,
}
