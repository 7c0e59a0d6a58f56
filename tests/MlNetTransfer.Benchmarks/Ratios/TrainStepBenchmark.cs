using BenchmarkDotNet.Attributes;
using Microsoft.ML.OnnxRuntime;
using MlNetTransfer.Benchmarks.Setup;
using MlNetTransfer.Onnx.Training;
using TrainingSession = MlNetTransfer.Onnx.Training.TrainingSession;

namespace MlNetTransfer.Benchmarks.Ratios;

/// <summary>
/// A training step of the default backbone's top blocks and a head, 8 images, beside a forward pass of the same: the
/// multiplications of a step are three times those of the pass, less the gradient of the input.
/// </summary>
public class TrainStepBenchmark
{
    private const int Batch = 8;
    private TopBlock? block;
    private float[] maps = [],
        targets = [];
    private TrainingSession? training;
    private InferenceSession? session;

    [GlobalSetup]
    public void Setup()
    {
        block = new TopBlock();
        maps =
        [
            .. Enumerable
                .Range(0, (int)(Batch * block.InputShape.Aggregate(1L, (a, d) => a * d)))
                .Select(i => i % 7 / 7f),
        ];
        targets = new float[Batch * TopBlock.Classes];
        for (int i = 0; i < Batch; i++)
            targets[i * TopBlock.Classes + i % TopBlock.Classes] = 1;
        training = new TrainingSession(
            block.Model,
            new TrainingOptions
            {
                Objectives = [new Objective { Logits = TopBlock.Logits }],
                Groups = [new ParameterGroup { Name = "all", Parameters = block.Parameters }],
            }
        );
        session = new InferenceSession(block.Model.ToBytes());
    }

    [GlobalCleanup]
    public void Cleanup()
    {
        training!.Dispose();
        session!.Dispose();
    }

    [Benchmark(Baseline = true)]
    public void Forward()
    {
        using var options = new RunOptions();
        using OrtValue input = OrtValue.CreateTensorValueFromMemory(maps, [Batch, .. block!.InputShape]);
        session!.Run(options, [session.InputNames[0]], [input], [TopBlock.Logits]).Dispose();
    }

    [Benchmark]
    public StepResult Step() => training!.Step(maps, targets, [], 1e-6f);
}
