using System.Globalization;
using MlNetTransfer;
using MlNetTransfer.Datasets;
using MlNetTransfer.Imaging;
using MlNetTransfer.Jobs;
using MlNetTransfer.Models;
using static TorchSharp.torch;

namespace TorchLoopSample;

/// <summary>
/// A model goes to TorchSharp, is trained on by a loop of one's own, and comes home as a model.onnx with its classes and
/// preprocessing.
/// </summary>
public static class TorchLoop
{
    private const int Batch = 16;
    private const double LearningRate = 1e-3;

    /// <summary>Trains on.</summary>
    /// <param name="model">A model.onnx of the library.</param>
    /// <param name="photos">Images of the model's classes, each in a folder of its class.</param>
    /// <param name="output">The model.onnx to write.</param>
    /// <param name="epochs">Passes over the images.</param>
    /// <param name="log">Told of every epoch.</param>
    /// <returns>Mean loss (nats) of every epoch.</returns>
    public static IReadOnlyList<double> Run(string model, string photos, string output, int epochs, TextWriter log)
    {
        string work = Directory.CreateTempSubdirectory("torch-loop-").FullName;
        try
        {
            string archive = Path.Combine(work, "model.pt"),
                trained = Path.Combine(work, "trained.pt");
            new ExportJob(
                new ExportOptions
                {
                    Model = model,
                    Format = "torchscript",
                    Images = [photos],
                    Output = archive,
                }
            ).Run();
            IReadOnlyList<double> losses = Train(archive, trained, Read(model, photos), epochs, log);
            new ImportJob(
                new ImportOptions
                {
                    Model = model,
                    Weights = trained,
                    Output = output,
                }
            ).Run();
            log.WriteLine($"{output} has the trained weights.");
            return losses;
        }
        finally
        {
            Directory.Delete(work, recursive: true);
        }
    }

    /// <summary>Images as the model takes them [3 × size × size], each with the number of its class.</summary>
    private static (float[] Pixels, long Label)[] Read(string file, string photos)
    {
        using TransferModel model = TransferModel.Load(file);
        using ImagePreprocessor preprocessor = new(model.Metadata.Preprocessing);
        Dataset data = DatasetReader.Read(photos);
        return [.. data.Items.Select(item => (Pixels(item), (long)IndexOf(data.ClassNames[item.Label])))];

        float[] Pixels(DataItem item)
        {
            float[] pixels = new float[model.Metadata.Preprocessing.TensorLength];
            preprocessor.Process(File.ReadAllBytes(((FileLocation)item.Location).Path), pixels);
            return pixels;
        }

        int IndexOf(string name)
        {
            int index = model.ClassNames.ToList().IndexOf(name);
            return index >= 0
                ? index
                : throw new TransferException(
                    $"'{photos}' has a class '{name}' that '{file}' does not know. It knows: "
                        + $"{string.Join(", ", model.ClassNames)}."
                );
        }
    }

    private static List<double> Train(
        string archive,
        string trained,
        (float[] Pixels, long Label)[] images,
        int epochs,
        TextWriter log
    )
    {
        long size = (long)Math.Sqrt(images[0].Pixels.Length / 3);
        using jit.ScriptModule<Tensor, Tensor> net = jit.load<Tensor, Tensor>(archive);
        // Batch normalisation keeps the statistics that it was pretrained with.
        net.eval();
        using optim.Optimizer optimizer = optim.SGD(net.parameters(), LearningRate, momentum: 0.9);
        var random = new Random(1);
        List<double> losses = [];
        for (int epoch = 1; epoch <= epochs; epoch++)
        {
            random.Shuffle(images);
            double sum = 0;
            foreach ((float[] Pixels, long Label)[] batch in images.Chunk(Batch))
            {
                using IDisposable scope = NewDisposeScope();
                Tensor input = tensor(batch.SelectMany(i => i.Pixels).ToArray(), [batch.Length, 3, size, size]),
                    labels = tensor(batch.Select(i => i.Label).ToArray());
                // The archive gives probabilities.
                Tensor loss = nn.functional.nll_loss(net.call(input).clamp_min(1e-12).log(), labels);
                optimizer.zero_grad();
                loss.backward();
                optimizer.step();
                sum += loss.item<float>() * batch.Length;
            }

            losses.Add(sum / images.Length);
            log.WriteLine(string.Create(CultureInfo.InvariantCulture, $"Epoch {epoch}: loss {losses[^1]:f3}"));
        }

        jit.save(net, trained);
        return losses;
    }
}
