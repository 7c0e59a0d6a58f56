using MlNetTransfer.Imaging;

namespace MlNetTransfer.Hosting;

/// <summary>
/// Decodes one image after another for batches, so that an image that cannot be used never gets into one.
/// </summary>
internal sealed class DecodeWorker(EngineContext context, RequestQueue intake, Batching batching) : IDisposable
{
    private readonly ImagePreprocessor preprocessor = new(context.Graph.Preprocessing, context.Graph.Limits);
    private readonly List<PredictRequest> taken = [];

    public void Run()
    {
        for (; intake.Take(taken); taken.Clear())
        {
            context.Admission.Begin();
            PredictRequest request = taken[0];
            request.Tensor = batching.TakeTensor();
            if (context.TryDecode(request, preprocessor, request.Tensor))
            {
                request.Dispose();
                batching.Add(request);
            }
            else
            {
                batching.Release(request);
            }
        }

        batching.EndDecoder();
    }

    public void Dispose() => preprocessor.Dispose();
}
