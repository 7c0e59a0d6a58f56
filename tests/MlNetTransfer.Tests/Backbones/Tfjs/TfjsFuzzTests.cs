using MlNetTransfer.Backbones.Tfjs;
using MlNetTransfer.Tests.Shared;
using static MlNetTransfer.Tests.Backbones.Tfjs.TinyModel;

namespace MlNetTransfer.Tests.Backbones.Tfjs;

/// <summary>
/// Damaged files: whatever the text, the outcome is a model or a <see cref="TransferException"/>, never another
/// exception.
/// </summary>
[TestClass]
public sealed class TfjsFuzzTests
{
    [TestMethod]
    [DataRow(1)]
    [DataRow(2)]
    public void Import_OfDamagedModels_NeverFailsOtherwise(int seed)
    {
        using TempFolder folder = new();
        TinyModel tiny = new TinyModel(4).Weight("c/kernel", [3, 3, 3, 1], new float[27]).Weight("axes", [2], [1, 2]);
        string file =
            seed == 1
                ? tiny.WriteLayers(
                    folder.Path,
                    Layer("Conv2D", "c", "'strides':[2,2],'padding':'same','use_bias':false"),
                    Layer("Flatten", "f", "", "c")
                )
                : tiny.Write(
                    folder.Path,
                    $"{{'node':[{Node("Placeholder", "in", "'shape':{'shape':{'dim':[{'size':'-1'},{'size':'4'},{'size':'4'},{'size':'3'}]}}")},{Node("Const", "axes", "")},{Node("MaxPool", "p", Integers("ksize", 1, 2, 2, 1), "in")},{Node("Mean", "m", "", "p", "axes")}]}}"
                );
        char[] intact = File.ReadAllText(file).ToCharArray();
        Random random = new(seed);
        int imported = 0;
        for (int i = 0; i < 800; i++)
        {
            char[] text = [.. intact];
            for (int changes = random.Next(1, 3); changes > 0; changes--)
                text[random.Next(text.Length)] = "0123456789-.\"[]{},:nul"[random.Next(22)];
            File.WriteAllText(file, new string(text));
            try
            {
                TfjsImporter.Import(file);
                imported++;
            }
            catch (TransferException error)
            {
                StringAssert.Contains(error.Message, "model.json");
            }
        }

        Assert.IsGreaterThan(
            10,
            imported,
            "some damaged files are still models, or nothing behind the parser was tried"
        );
    }
}
