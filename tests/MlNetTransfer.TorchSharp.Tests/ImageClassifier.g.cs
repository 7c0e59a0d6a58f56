// Exported by MlNetTransfer. Weights: ImageClassifier.dat, read by new ImageClassifier().load("ImageClassifier.dat").
using TorchSharp;
using TorchSharp.Modules;
using static TorchSharp.torch;

/// <summary>Takes image [N, 3, 224, 224], float32; returns probabilities [N, 8].</summary>
public sealed class ImageClassifier : nn.Module<Tensor, Tensor>
{
    private readonly Tensor MeanImage;
    private readonly Conv2d Convolution249, Convolution257, Convolution263, Convolution271, Convolution277, Convolution295, Convolution285, Convolution291;
    private readonly Conv2d Convolution303, Convolution309, Convolution327, Convolution317, Convolution323, Convolution335, Convolution341, Convolution359;
    private readonly Conv2d Convolution349, Convolution355, Convolution367, Convolution373, Convolution381, Convolution387;
    private readonly BatchNorm2d BatchNormalization251, BatchNormalization259, BatchNormalization265, BatchNormalization273, BatchNormalization279, BatchNormalization297, BatchNormalization287, BatchNormalization293;
    private readonly BatchNorm2d BatchNormalization305, BatchNormalization311, BatchNormalization329, BatchNormalization319, BatchNormalization325, BatchNormalization337, BatchNormalization343, BatchNormalization361;
    private readonly BatchNorm2d BatchNormalization351, BatchNormalization357, BatchNormalization369, BatchNormalization375, BatchNormalization383, BatchNormalization389;
    private readonly Linear head;

    public ImageClassifier() : base(nameof(ImageClassifier))
    {
        MeanImage = torch.zeros(new long[] { 1, 3, 224, 224 });
        Convolution249 = nn.Conv2d(3, 64, 7, stride: 2, bias: false);
        BatchNormalization251 = nn.BatchNorm2d(64, momentum: 0.01165);
        Convolution257 = nn.Conv2d(64, 64, 3, padding: 1, bias: false);
        BatchNormalization259 = nn.BatchNorm2d(64, momentum: 0.01165);
        Convolution263 = nn.Conv2d(64, 64, 3, padding: 1, bias: false);
        BatchNormalization265 = nn.BatchNorm2d(64, momentum: 0.01165);
        Convolution271 = nn.Conv2d(64, 64, 3, padding: 1, bias: false);
        BatchNormalization273 = nn.BatchNorm2d(64, momentum: 0.01165);
        Convolution277 = nn.Conv2d(64, 64, 3, padding: 1, bias: false);
        BatchNormalization279 = nn.BatchNorm2d(64, momentum: 0.01165);
        Convolution295 = nn.Conv2d(64, 128, 1, stride: 2, bias: false);
        BatchNormalization297 = nn.BatchNorm2d(128, momentum: 0.01165);
        Convolution285 = nn.Conv2d(64, 128, 3, stride: 2, bias: false);
        BatchNormalization287 = nn.BatchNorm2d(128, momentum: 0.01165);
        Convolution291 = nn.Conv2d(128, 128, 3, padding: 1, bias: false);
        BatchNormalization293 = nn.BatchNorm2d(128, momentum: 0.01165);
        Convolution303 = nn.Conv2d(128, 128, 3, padding: 1, bias: false);
        BatchNormalization305 = nn.BatchNorm2d(128, momentum: 0.01165);
        Convolution309 = nn.Conv2d(128, 128, 3, padding: 1, bias: false);
        BatchNormalization311 = nn.BatchNorm2d(128, momentum: 0.01165);
        Convolution327 = nn.Conv2d(128, 256, 1, stride: 2, bias: false);
        BatchNormalization329 = nn.BatchNorm2d(256, momentum: 0.01165);
        Convolution317 = nn.Conv2d(128, 256, 3, stride: 2, bias: false);
        BatchNormalization319 = nn.BatchNorm2d(256, momentum: 0.01165);
        Convolution323 = nn.Conv2d(256, 256, 3, padding: 1, bias: false);
        BatchNormalization325 = nn.BatchNorm2d(256, momentum: 0.01165);
        Convolution335 = nn.Conv2d(256, 256, 3, padding: 1, bias: false);
        BatchNormalization337 = nn.BatchNorm2d(256, momentum: 0.01165);
        Convolution341 = nn.Conv2d(256, 256, 3, padding: 1, bias: false);
        BatchNormalization343 = nn.BatchNorm2d(256, momentum: 0.01165);
        Convolution359 = nn.Conv2d(256, 512, 1, stride: 2, bias: false);
        BatchNormalization361 = nn.BatchNorm2d(512, momentum: 0.01165);
        Convolution349 = nn.Conv2d(256, 512, 3, stride: 2, bias: false);
        BatchNormalization351 = nn.BatchNorm2d(512, momentum: 0.01165);
        Convolution355 = nn.Conv2d(512, 512, 3, padding: 1, bias: false);
        BatchNormalization357 = nn.BatchNorm2d(512, momentum: 0.01165);
        Convolution367 = nn.Conv2d(512, 512, 3, padding: 1, bias: false);
        BatchNormalization369 = nn.BatchNorm2d(512, momentum: 0.01165);
        Convolution373 = nn.Conv2d(512, 512, 3, padding: 1, bias: false);
        BatchNormalization375 = nn.BatchNorm2d(512, momentum: 0.01165);
        Convolution381 = nn.Conv2d(512, 512, 3, padding: 1, bias: false);
        BatchNormalization383 = nn.BatchNorm2d(512, momentum: 0.01165);
        Convolution387 = nn.Conv2d(512, 512, 3, padding: 1, bias: false);
        BatchNormalization389 = nn.BatchNorm2d(512, momentum: 0.01165);
        head = nn.Linear(512, 8);
        RegisterComponents();
    }

    public override Tensor forward(Tensor input)
    {
        using var scope = NewDisposeScope();
        var x = input.narrow(1, 0, 1);
        var y = input.narrow(1, 1, 1);
        var z = input.narrow(1, 2, 1);
        z = torch.cat([z, y, x], 1);
        z = z - MeanImage;
        z = nn.functional.pad(z, [3, 2, 3, 2], value: 0f);
        z = BatchNormalization251.call(Convolution249.call(z)).relu();
        z = nn.functional.pad(z, [1, 0, 1, 0], value: float.NegativeInfinity);
        z = nn.functional.max_pool2d(z, [3, 3], [2, 2], [0, 0]);
        var u = BatchNormalization259.call(Convolution257.call(z)).relu();
        u = BatchNormalization265.call(Convolution263.call(u));
        u = (u + z).relu();
        var v = BatchNormalization273.call(Convolution271.call(u)).relu();
        v = BatchNormalization279.call(Convolution277.call(v));
        v = (v + u).relu();
        var w = BatchNormalization297.call(Convolution295.call(v));
        v = nn.functional.pad(v, [1, 0, 1, 0], value: 0f);
        v = BatchNormalization287.call(Convolution285.call(v)).relu();
        v = BatchNormalization293.call(Convolution291.call(v));
        v = (v + w).relu();
        var x_1 = BatchNormalization305.call(Convolution303.call(v)).relu();
        x_1 = BatchNormalization311.call(Convolution309.call(x_1));
        x_1 = (x_1 + v).relu();
        var x_2 = BatchNormalization329.call(Convolution327.call(x_1));
        x_1 = nn.functional.pad(x_1, [1, 0, 1, 0], value: 0f);
        x_1 = BatchNormalization319.call(Convolution317.call(x_1)).relu();
        x_1 = BatchNormalization325.call(Convolution323.call(x_1));
        x_1 = (x_1 + x_2).relu();
        var x_3 = BatchNormalization337.call(Convolution335.call(x_1)).relu();
        x_3 = BatchNormalization343.call(Convolution341.call(x_3));
        x_3 = (x_3 + x_1).relu();
        var x_4 = BatchNormalization361.call(Convolution359.call(x_3));
        x_3 = nn.functional.pad(x_3, [1, 0, 1, 0], value: 0f);
        x_3 = BatchNormalization351.call(Convolution349.call(x_3)).relu();
        x_3 = BatchNormalization357.call(Convolution355.call(x_3));
        x_3 = (x_3 + x_4).relu();
        var x_5 = BatchNormalization369.call(Convolution367.call(x_3)).relu();
        x_5 = BatchNormalization375.call(Convolution373.call(x_5));
        x_5 = (x_5 + x_3).relu();
        var x_6 = BatchNormalization383.call(Convolution381.call(x_5)).relu();
        x_6 = BatchNormalization389.call(Convolution387.call(x_6));
        x_6 = (x_6 + x_5).relu();
        x_6 = nn.functional.adaptive_avg_pool2d(x_6, [1, 1]).flatten(1);
        x_6 = head.call(x_6).softmax(1);
        return x_6.MoveToOuterDisposeScope();
    }
}
