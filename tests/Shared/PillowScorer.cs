using System.Text.Json;
using Microsoft.ML.OnnxRuntime;

namespace MlNetTransfer.Tests.Shared;

/// <summary>
/// Runs an exported file of the format pixels on images that Pillow decodes, by the official ONNX Runtime alone:
/// neither the decoder nor the resize nor the code around the session is the product's.
/// </summary>
internal static class PillowScorer
{
    /// <summary>Pillow decodes to RGB on white, upright, at full size.</summary>
    private const string Decode = """
        import sys, json
        from PIL import Image, ImageOps
        names = json.load(open(sys.argv[1])); folder = sys.argv[2]; out = []
        for i, name in enumerate(names):
            image = ImageOps.exif_transpose(Image.open(name))
            if image.mode in ('RGBA', 'LA', 'PA') or 'transparency' in image.info:
                image = image.convert('RGBA'); white = Image.new('RGBA', image.size, 'white'); white.alpha_composite(image); image = white
            image = image.convert('RGB')
            open(f'{folder}/{i}.raw', 'wb').write(image.tobytes()); out.append(list(image.size))
        json.dump(out, open(f'{folder}/sizes.json', 'w'))
        """;

    /// <summary>Probabilities and label of each image.</summary>
    /// <param name="model">A file in the format pixels.</param>
    /// <param name="images">Image files.</param>
    /// <param name="folder">An empty folder for what is passed between the programs.</param>
    public static IReadOnlyList<(float[] Probabilities, int Label)> Run(
        string model,
        IReadOnlyList<string> images,
        string folder
    )
    {
        string names = Path.Combine(folder, "images.json");
        File.WriteAllText(names, JsonSerializer.Serialize(images));
        Python.Run(Decode, names, folder);
        int[][] sizes = JsonSerializer.Deserialize<int[][]>(File.ReadAllText(Path.Combine(folder, "sizes.json")))!;
        using InferenceSession session = new(model, new SessionOptions { IntraOpNumThreads = 1 });
        return
        [
            .. sizes.Select(
                (size, i) => Score(session, File.ReadAllBytes(Path.Combine(folder, $"{i}.raw")), size[0], size[1])
            ),
        ];
    }

    private static (float[] Probabilities, int Label) Score(
        InferenceSession session,
        byte[] pixels,
        int width,
        int height
    )
    {
        using RunOptions options = new();
        using OrtValue image = OrtValue.CreateTensorValueFromMemory(pixels, [1, height, width, 3]);
        using IDisposableReadOnlyCollection<OrtValue> found = session.Run(
            options,
            ["pixels"],
            [image],
            ["probabilities", "label"]
        );
        return (found[0].GetTensorDataAsSpan<float>().ToArray(), (int)found[1].GetTensorDataAsSpan<long>()[0]);
    }
}
