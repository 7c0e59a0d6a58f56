using MlNetTransfer.Benchmarks;

return args switch
{
    ["accuracy", .. var rest] => AccuracyBenchmark.Run(rest),
    ["augment", .. var rest] => AugmentBenchmark.Run(rest),
    ["gradients", .. var rest] => GradientsBenchmark.Run(rest),
    ["head", .. var rest] => HeadBenchmark.Run(rest),
    ["decode", .. var rest] => DecodeBenchmark.Run(rest),
    ["featurise", .. var rest] => FeaturiseBenchmark.Run(rest),
    ["finetune", .. var rest] => FineTuneBenchmark.Run(rest),
    ["int8", .. var rest] => Int8Benchmark.Run(rest),
    ["fewshot", .. var rest] => FewShotBenchmark.Run(rest),
    ["hosting", .. var rest] => HostingBenchmark.Run(rest),
    ["mlnet", .. var rest] => MLNetBenchmark.Run(rest),
    ["pixels", .. var rest] => PixelsBenchmark.Run(rest),
    ["taps", .. var rest] => TapsBenchmark.Run(rest),
    ["trainstep", .. var rest] => TrainStepBenchmark.Run(rest),
    ["torchexport", .. var rest] => TorchExportBenchmark.Run(rest),
    ["transfer", .. var rest] => TransferBenchmark.Run(rest),
    _ => Usage(),
};

static int Usage()
{
    Console.Error.WriteLine(
        """
        Usage: dotnet run -c Release --project tests/MlNetTransfer.Benchmarks -- COMMAND
          accuracy [backbone ...]          training runs on three tasks by tap, beside scikit-learn on the same features
          accuracy defaults [backbone]     training runs with all defaults, three seeds, beside scikit-learn on the same folds
          mlnet [backbone [images [rounds]]] FeaturizeImages beside ML.NET's own chains and beside the runner under it
          augment                          augmented training images, beside torchvision
          gradients [network ...]          gradients of whole networks, beside PyTorch in float64
          head [rows width classes]        fitting a head, beside scikit-learn
          decode                           decoding and resizing, beside Pillow
          featurise [backbone [images [rounds]]] the featurising pipeline, beside its parts
          hosting [--seconds 60] [--exchanges 1] [--model FILE]
                                           a hosted model under 8 callers, beside one session behind a lock
          finetune [task ...] [strategy ...] [fold=1,2] [epochs=N] [lr=X] ...
                                           training the network beside a head on its frozen features, by folds
          int8 [backbone ...]              models quantised to int8, beside float32
          fewshot [backbone ...]           heads with few images per class
          pixels [model]                   exports on 50 images and large JPEGs
          taps [backbone]                  several taps together, beside each alone
          trainstep [network|full|tail|cached|single|rounds ...] training steps, beside PyTorch
          torchexport [network|backbone ...] exports to TorchScript and TorchSharp beside PyTorch, and trained weights back
          transfer [backbone ...]          pretrained features, random weights and raw pixels, by 5-fold accuracy
        """
    );
    return 2;
}
