using System.Text.Json;
using MlNetTransfer.Tests.Shared;

namespace MlNetTransfer.Tests;

/// <summary>
/// scikit-learn as oracle: runs a script on JSON input and reads its JSON answer; Inconclusive where Python or
/// scikit-learn is missing.
/// </summary>
internal static class Sklearn
{
    /// <param name="script">Python with numpy as np and the input as the dictionary d; assigns its answer to r.</param>
    /// <param name="input">Serialised to JSON; arrays become lists.</param>
    public static JsonElement Run(string script, object input)
    {
        Python.Require("numpy", "sklearn");
        string program =
            $"import sys, json\nimport numpy as np, sklearn\nimport warnings\nwarnings.simplefilter('ignore')\nd = "
            + $"json.loads(r'''{JsonSerializer.Serialize(input)}''')\n"
            + script
            + "\njson.dump(r, sys.stdout, default=lambda v: v.tolist())";
        return JsonSerializer.Deserialize<JsonElement>(Python.Run(program));
    }

    public static double[] Doubles(this JsonElement element) =>
        [.. element.EnumerateArray().Select(value => value.GetDouble())];
}
