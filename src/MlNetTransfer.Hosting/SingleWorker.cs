using MlNetTransfer.Backbones;
using MlNetTransfer.Imaging;

namespace MlNetTransfer.Hosting;

/// <summary>Decodes and runs one image after another.</summary>
internal sealed class SingleWorker(EngineContext context, RequestQueue intake) : IDisposable
{
    private readonly ImagePreprocessor preprocessor = new(context.Graph.Preprocessing, context.Graph.Limits);
    private readonly ImageGraphBatch memory = context.Graph.CreateBatch(1);
    private readonly List<PredictRequest> taken = [];

    public void Run()
    {
        for (; intake.Take(taken); taken.Clear())
        {
            context.Admission.Begin();
            PredictRequest request = taken[0];
            if (!context.TryDecode(request, preprocessor, memory.Input(0)))
                continue;
            try
            {
                context.Run(memory, 1);
            }
            catch (Exception e)
            {
                context.Fail(request, e);
                continue;
            }

            context.Answer(request, memory, 0);
        }
    }

    public void Dispose()
    {
        memory.Dispose();
        preprocessor.Dispose();
    }
}
