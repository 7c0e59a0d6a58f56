using System.Diagnostics;
using System.Globalization;
using System.Text.Json;

namespace MlNetTransfer.Tests.Shared;

/// <summary>Runs an exported file in ONNX Runtime for Node.js on images that Pillow decodes: neither the decoder nor the resize nor the bindings are the product's.</summary>
internal static class NodeRuntime
{
    /// <summary>Pillow decodes to RGB on white, upright, at full size; Node.js runs the file on the raw samples.</summary>
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

    private const string Score = """
        const fs = require('fs'), ort = require(process.argv[2]), model = process.argv[3], folder = process.argv[4];
        (async () => {
          const session = await ort.InferenceSession.create(model, { logSeverityLevel: 4 });
          const sizes = JSON.parse(fs.readFileSync(folder + '/sizes.json')), rows = [];
          for (let i = 0; i < sizes.length; i++) {
            const [width, height] = sizes[i], pixels = new Uint8Array(fs.readFileSync(`${folder}/${i}.raw`));
            const result = await session.run({ pixels: new ort.Tensor('uint8', pixels, [1, height, width, 3]) });
            rows.push({ probabilities: Array.from(result.probabilities.data), label: Number(result.label.data[0]) });
          }
          fs.writeFileSync(folder + '/scores.json', JSON.stringify(rows));
        })().catch(e => { console.error(e); process.exit(1); });
        """;

    private static string Package => Repository.At("artifacts/npm/onnxruntime-node/node_modules/onnxruntime-node");

    /// <summary>Why it cannot be used here; null where it can.</summary>
    public static string? Problem()
    {
        if (!Directory.Exists(Package)) return $"{Package} is missing";
        return Try("node", ["--version"]) ?? Try("/usr/bin/python3", ["-c", "import PIL"]);
    }

    /// <summary>Probabilities and label of each image.</summary>
    /// <param name="model">A file in the format pixels.</param>
    /// <param name="images">Image files.</param>
    /// <param name="folder">An empty folder for what is passed between the programs.</param>
    public static IReadOnlyList<(float[] Probabilities, int Label)> Run(string model, IReadOnlyList<string> images, string folder)
    {
        File.WriteAllText(Path.Combine(folder, "images.json"), JsonSerializer.Serialize(images));
        File.WriteAllText(Path.Combine(folder, "score.js"), Score);
        foreach ((string program, string[] arguments) in new[] { ("/usr/bin/python3", (string[])["-c", Decode, Path.Combine(folder, "images.json"), folder]), ("node", [Path.Combine(folder, "score.js"), Package, model, folder]) })
            if (Try(program, arguments) is { } problem) throw new InvalidOperationException($"{program}: {problem}");
        using JsonDocument scores = JsonDocument.Parse(File.ReadAllText(Path.Combine(folder, "scores.json")));
        return [.. scores.RootElement.EnumerateArray().Select(row => ((float[])[.. row.GetProperty("probabilities").EnumerateArray().Select(p => p.GetSingle())], row.GetProperty("label").GetInt32()))];
    }

    private static string? Try(string program, string[] arguments)
    {
        try
        {
            using Process process = Process.Start(new ProcessStartInfo(program, arguments) { RedirectStandardOutput = true, RedirectStandardError = true })!;
            Task<string> output = process.StandardOutput.ReadToEndAsync(), error = process.StandardError.ReadToEndAsync();
            process.WaitForExit();
            return process.ExitCode == 0 ? null : string.Create(CultureInfo.InvariantCulture, $"exit code {process.ExitCode}: {error.Result} {output.Result}");
        }
        catch (System.ComponentModel.Win32Exception missing)
        {
            return missing.Message;
        }
    }
}
