using MlNetTransfer.Backbones;

namespace MlNetTransfer.Hosting;

/// <summary>Runs batch after batch of decoded images.</summary>
internal sealed class BatchWorker(EngineContext context, Batching batching) : IDisposable
{
    private readonly ImageGraphBatch memory = context.Graph.CreateBatch(context.Options.MaxBatchSize);
    private readonly List<PredictRequest> batch = [];

    public void Run()
    {
        for (; batching.Take(batch); batch.Clear())
        {
            for (int i = 0; i < batch.Count; i++)
            {
                batch[i].Tensor.CopyTo(memory.Input(i));
                batching.Release(batch[i]);
            }

            RunTogether();
        }
    }

    public void Dispose() => memory.Dispose();

    /// <summary>
    /// Where the device fails on a batch, each image is tried alone: what one image causes must not end the others.
    /// </summary>
    private void RunTogether()
    {
        try
        {
            context.Run(memory, batch.Count);
        }
        catch (Exception e)
        {
            if (batch.Count == 1)
                context.Fail(batch[0], e);
            else
                for (int i = 0; i < batch.Count; i++)
                    RunAlone(i);
            return;
        }

        for (int i = 0; i < batch.Count; i++)
            context.Answer(batch[i], memory, i);
    }

    private void RunAlone(int place)
    {
        try
        {
            if (place > 0)
                memory.Input(place).CopyTo(memory.Input(0));
            context.Run(memory, 1);
        }
        catch (Exception e)
        {
            context.Fail(batch[place], e);
            return;
        }

        context.Answer(batch[place], memory, 0);
    }
}
