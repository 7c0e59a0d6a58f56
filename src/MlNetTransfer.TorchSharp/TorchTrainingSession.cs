using System.Globalization;
using System.Runtime.InteropServices;
using MlNetTransfer.Onnx;
using MlNetTransfer.Onnx.Training;
using MlNetTransfer.Onnx.Weights;
using TorchSharp;
using static TorchSharp.torch;

namespace MlNetTransfer.TorchSharp;

/// <summary>Training steps on libtorch; see <see cref="TorchSharpEngine"/>.</summary>
internal sealed class TorchTrainingSession : ITrainingSession
{
    private const string StepsKey = "steps";

    /// <summary>
    /// Passes after which TorchScript runs a module in its final form; the passes before round otherwise.
    /// </summary>
    private const int WarmUps = 3;

    private readonly TorchNetwork network;
    private readonly TrainingOptions options;
    private readonly TrainingSessionOptions running;
    private readonly Device device;
    private readonly ScalarType computed;
    private readonly jit.ScriptModule<Tensor, Tensor> module;
    private readonly List<Weight> weights = [];
    private readonly Dictionary<string, Tensor> statistics;
    private readonly int rowLength;

    public TorchTrainingSession(
        TorchNetwork network,
        TrainingOptions options,
        TrainingSessionOptions running,
        Device device,
        bool isHalf
    )
    {
        (this.network, this.options, this.running, this.device) = (network, options, running, device);
        computed = isHalf ? ScalarType.BFloat16 : ScalarType.Float32;
        rowLength = (int)network.Row.Aggregate(1L, (a, b) => a * b);
        if (running.Threads is { } threads && device.type == DeviceType.CPU)
            set_num_threads(threads);
        module = network.Load(device);
        module.eval();
        Dictionary<string, nn.Module> modules = module.named_modules().ToDictionary(m => m.name, m => m.module);
        foreach (string normalization in network.Normalizations)
            modules[normalization].train();
        using IDisposable scope = NewDisposeScope();
        Dictionary<string, Tensor> parameters = Parameters(module);
        using (no_grad())
            foreach ((ParameterGroup group, int index) in options.Groups.Select((g, i) => (g, i)))
            foreach (string name in group.Parameters)
                weights.Add(new Weight(name, index, group.WeightDecay, parameters[network.PathOf(name)], options));
        if (isHalf)
        {
            // The weights have been copied as they are.
            module.to(computed);
            parameters = Parameters(module);
        }

        foreach (Tensor parameter in parameters.Values)
            parameter.requires_grad = false;
        foreach (Weight weight in weights)
        {
            weight.Module = parameters[network.PathOf(weight.Name)].DetachFromDisposeScope();
            weight.Module.requires_grad = true;
        }

        Dictionary<string, Tensor> buffers = module.named_buffers().ToDictionary(b => b.name, b => b.buffer);
        statistics = network.Statistics.ToDictionary(
            name => name,
            name => buffers[network.PathOf(name)].DetachFromDisposeScope()
        );
        try
        {
            WarmUp();
        }
        catch
        {
            Dispose();
            throw;
        }
    }

    private static Dictionary<string, Tensor> Parameters(jit.ScriptModule<Tensor, Tensor> module) =>
        module.named_parameters().ToDictionary(p => p.name, p => (Tensor)p.parameter);

    public long Steps { get; private set; }

    public StepResult Step(
        ReadOnlySpan<float> inputs,
        ReadOnlySpan<float> targets,
        ReadOnlySpan<float> rowWeights,
        params ReadOnlySpan<float> learningRates
    )
    {
        int rows = StepArguments.Rows(inputs, rowLength, learningRates, options);
        if (targets.Length % rows != 0)
            throw new ArgumentException($"{targets.Length} targets do not belong to {rows} rows.", nameof(targets));
        float[] scaled = StepWeights.Of(rowWeights, rows);
        int columns = targets.Length / rows,
            part = Math.Min(rows, running.MicroBatch ?? rows);
        try
        {
            return Step(inputs, targets, scaled, columns, part, learningRates);
        }
        catch (ExternalException e)
        {
            throw new GraphException(
                $"libtorch could not take the step: {e.Message.Split('\n')[0].Trim()} Where memory is short, work "
                    + $"on fewer images at a time (--micro-batch) or freeze more blocks (--freeze).",
                e
            );
        }
    }

    private StepResult Step(
        ReadOnlySpan<float> inputs,
        ReadOnlySpan<float> targets,
        ReadOnlySpan<float> scaled,
        int columns,
        int part,
        ReadOnlySpan<float> learningRates
    )
    {
        int rows = scaled.Length;
        using IDisposable scope = NewDisposeScope();
        double loss = 0;
        for (int start = 0; start < rows; start += part)
        {
            int count = Math.Min(part, rows - start);
            loss += Backward(
                inputs.Slice(start * rowLength, count * rowLength),
                targets.Slice(start * columns, count * columns),
                scaled.Slice(start, count),
                columns
            );
        }

        double norm;
        using (no_grad())
            norm = Update(learningRates);
        Steps++;
        return new StepResult((float)loss, (float)norm);
    }

    public IReadOnlyDictionary<string, float[]> Parameters() => Home(weight => weight.Master);

    public IReadOnlyDictionary<string, float[]> Averages() =>
        options.AverageDecay is null
            ? throw new InvalidOperationException(
                $"No average is kept: {nameof(TrainingOptions.AverageDecay)} is not set."
            )
            : Home(weight => weight.Average!);

    public void SaveState(Stream stream) =>
        new SafetensorsFile(
            State().ToDictionary(s => s.Name, s => SafeTensor.Of(Values(s.Tensor), [.. s.Tensor.shape])),
            new Dictionary<string, string> { [StepsKey] = Steps.ToString(CultureInfo.InvariantCulture) }
        ).Write(stream);

    public void LoadState(Stream stream)
    {
        using MemoryStream copy = new();
        stream.CopyTo(copy);
        SafetensorsFile file = SafetensorsFile.Parse(copy.ToArray(), "The training state");
        (string Name, Tensor Tensor)[] state = [.. State()];
        if (
            !file.Metadata.TryGetValue(StepsKey, out string? text)
            || !long.TryParse(text, CultureInfo.InvariantCulture, out long steps)
            || file.Tensors.Count != state.Length
            || !state.All(s =>
                file.Tensors.TryGetValue(s.Name, out SafeTensor? t) && t.Shape.SequenceEqual(s.Tensor.shape)
            )
        )
            throw new GraphException(
                "The training state is that of another model, other options or another engine. Train without --resume."
            );
        using (no_grad())
        using (NewDisposeScope())
        {
            foreach ((string name, Tensor target) in state)
                target.copy_(tensor(file.Tensors[name].ToFloats(), target.shape));
            foreach (Weight weight in weights)
                weight.Show();
        }

        Steps = steps;
    }

    public void Dispose()
    {
        foreach (Weight weight in weights)
            weight.Dispose();
        foreach (Tensor statistic in statistics.Values)
            statistic.Dispose();
        module.Dispose();
    }

    /// <summary>
    /// Lets TorchScript see the module run, so that the first step of a session that goes on rounds as the last of the
    /// one before it; nothing is changed.
    /// </summary>
    private void WarmUp()
    {
        const int rows = 2;
        using IDisposable scope = NewDisposeScope();
        Tensor[] before = [.. statistics.Values.Select(s => s.clone())];
        for (int pass = 0; pass < WarmUps; pass++)
        {
            Tensor input = ChannelsLast(ones([rows, .. network.Row], computed, device));
            module.call(input).sum().backward();
        }

        using (no_grad())
        {
            foreach ((Tensor statistic, Tensor was) in statistics.Values.Zip(before))
                statistic.copy_(was);
            foreach (Weight weight in weights)
                _ =
                    weight.Module.grad?.zero_()
                    ?? throw new GraphException(
                        $"'{weight.Name}' is trained, and the logits do not depend on it. Leave it out, or freeze it."
                    );
        }
    }

    /// <summary>Adds the gradients of some rows.</summary>
    /// <returns>Their share of the loss.</returns>
    private double Backward(
        ReadOnlySpan<float> inputs,
        ReadOnlySpan<float> targets,
        ReadOnlySpan<float> rowWeights,
        int columns
    )
    {
        using IDisposable scope = NewDisposeScope();
        long rows = rowWeights.Length;
        Tensor input = ChannelsLast(tensor(inputs.ToArray(), [rows, .. network.Row]).to(device).to(computed)),
            wanted = tensor(targets.ToArray(), [rows, columns]).to(device),
            share = tensor(rowWeights.ToArray()).to(device);
        Tensor logits = module.call(input).to(ScalarType.Float32);
        Tensor loss = (OfRows(logits, wanted) * share).sum() * options.Objectives[0].Weight;
        loss.backward();
        return loss.item<float>();
    }

    private Tensor OfRows(Tensor logits, Tensor targets) =>
        options.Objectives[0].Loss switch
        {
            CrossEntropy => -(targets * nn.functional.log_softmax(logits, 1)).sum(1),
            BinaryCrossEntropy => (nn.functional.softplus(logits) - targets * logits).mean([1]),
            MeanSquaredError => (logits - targets).square().mean([1]),
            TrainingLoss other => throw new NotSupportedException(other.GetType().Name),
        };

    /// <summary>
    /// Images with the channels innermost, which libtorch's convolutions are fastest on; the numbers are the same.
    /// </summary>
    private static Tensor ChannelsLast(Tensor images) =>
        images.dim() == 4 ? images.permute(0, 2, 3, 1).contiguous().permute(0, 3, 1, 2) : images;

    /// <summary>Moves every weight, and forgets the gradients.</summary>
    /// <returns>The norm of all gradients.</returns>
    private double Update(ReadOnlySpan<float> rates)
    {
        Tensor[] gradients = [.. weights.Select(w => w.Module.grad!.to(ScalarType.Float32))];
        Tensor norm = stack([.. gradients.Select(g => g.square().sum())]).sum().sqrt();
        Tensor? scale = options.ClipNorm is { } limit ? (limit / (norm + 1e-6)).clamp_max(1) : null;
        for (int i = 0; i < weights.Count; i++)
            using (NewDisposeScope())
                weights[i]
                    .Step(scale is null ? gradients[i] : gradients[i] * scale, rates[weights[i].Group], Steps + 1);
        return norm.item<float>();
    }

    private Dictionary<string, float[]> Home(Func<Weight, Tensor> which)
    {
        Dictionary<string, float[]> home = weights.ToDictionary(
            w => w.Name,
            w => network.Home(w.Name, Values(which(w)))
        );
        foreach ((string name, Tensor values) in statistics)
            home[name] = network.Home(name, Values(values));
        return home;
    }

    private IEnumerable<(string Name, Tensor Tensor)> State() =>
        weights.SelectMany(w => w.State()).Concat(statistics.Select(s => ($"running/{s.Key}", s.Value)));

    private static float[] Values(Tensor tensor)
    {
        using IDisposable scope = NewDisposeScope();
        return tensor.detach().to(ScalarType.Float32).cpu().contiguous().data<float>().ToArray();
    }

    /// <summary>A trained tensor: in the module, in float32, and what the optimiser keeps of it.</summary>
    private sealed class Weight : IDisposable
    {
        private readonly TrainingOptions options;
        private readonly double decay;
        private readonly Tensor[] moments;
        private readonly Tensor? start;

        public Weight(string name, int group, double decay, Tensor module, TrainingOptions options)
        {
            (Name, Group, Module, this.decay, this.options) = (name, group, module, decay, options);
            Master = module.detach().to(ScalarType.Float32).clone().DetachFromDisposeScope();
            int kept = options.Optimizer is AdamWOptimizer ? 2 : 1;
            moments = [.. Enumerable.Range(0, kept).Select(_ => zeros_like(Master).DetachFromDisposeScope())];
            start = options.StartingPointDecay > 0 ? Master.clone().DetachFromDisposeScope() : null;
            Average = options.AverageDecay is null ? null : Master.clone().DetachFromDisposeScope();
        }

        /// <summary>Name of the initializer.</summary>
        public string Name { get; }

        /// <summary>Number of its group.</summary>
        public int Group { get; }

        /// <summary>The tensor that the module computes with.</summary>
        public Tensor Module { get; set; }

        /// <summary>Its values.</summary>
        public Tensor Master { get; }

        /// <summary>Their moving average; null where none is taken.</summary>
        public Tensor? Average { get; }

        /// <summary>All that the next step depends on; where a stage starts from is a part of the model.</summary>
        public IEnumerable<(string, Tensor)> State()
        {
            yield return (Name, Master);
            for (int i = 0; i < moments.Length; i++)
                yield return (FormattableString.Invariant($"moment {i + 1}/{Name}"), moments[i]);
            if (Average is not null)
                yield return ($"average/{Name}", Average);
        }

        /// <summary>One step, as the training graph has it.</summary>
        public void Step(Tensor gradient, double rate, long step)
        {
            Tensor direction = options.Optimizer switch
            {
                AdamWOptimizer adam => Adam(adam, gradient, step),
                SgdOptimizer sgd => Descent(sgd, gradient),
                TrainingOptimizer other => throw new NotSupportedException(other.GetType().Name),
            };
            Master.mul_(1 - rate * (decay + options.StartingPointDecay));
            if (start is not null)
                Master.add_(start * (rate * options.StartingPointDecay));
            Master.sub_(direction * rate);
            if (options.AverageDecay is { } keep)
                Average!.add_((Master - Average) * (1 - keep));
            Module.grad!.zero_();
            Show();
        }

        /// <summary>Gives the module the values.</summary>
        public void Show() => Module.copy_(Master);

        public void Dispose()
        {
            Module.grad?.Dispose();
            Module.Dispose();
            Master.Dispose();
            start?.Dispose();
            Average?.Dispose();
            foreach (Tensor moment in moments)
                moment.Dispose();
        }

        private Tensor Adam(AdamWOptimizer adam, Tensor gradient, long step)
        {
            moments[0].mul_(adam.Beta1).add_(gradient * (1 - adam.Beta1));
            moments[1].mul_(adam.Beta2).add_(gradient.square() * (1 - adam.Beta2));
            Tensor root = (moments[1] / (1 - Math.Pow(adam.Beta2, step))).sqrt() + adam.Epsilon;
            return moments[0] / (1 - Math.Pow(adam.Beta1, step)) / root;
        }

        private Tensor Descent(SgdOptimizer sgd, Tensor gradient)
        {
            if (sgd.Momentum == 0)
                return gradient;
            moments[0].mul_(sgd.Momentum).add_(gradient);
            return sgd.Nesterov ? gradient + moments[0] * sgd.Momentum : moments[0];
        }
    }
}
