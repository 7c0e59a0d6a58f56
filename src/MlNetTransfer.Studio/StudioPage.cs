using Microsoft.AspNetCore.Components;
using MlNetTransfer.Onnx;

namespace MlNetTransfer.Studio;

/// <summary>What every page has: its words, and a place for what went wrong.</summary>
public abstract class StudioPage : ComponentBase
{
    [CascadingParameter]
    internal StudioTexts T { get; set; } = new(null);

    /// <summary>What went wrong with what was asked for last; null for nothing.</summary>
    protected string? Error { get; set; }

    /// <summary>Does what was asked for; what stands in the way is shown.</summary>
    protected void Do(Action what)
    {
        Error = null;
        try
        {
            what();
        }
        catch (Exception e)
            when (e is TransferException or GraphException or IOException or UnauthorizedAccessException)
        {
            Error = e.Message;
        }
    }
}
