namespace MlNetTransfer.Tests.Shared;

/// <summary>Runs documented code as its reader would: in a folder beside data-samples.</summary>
internal static class DocumentedProgram
{
    /// <summary>
    /// What it prints. The current folder and the console are the process's, so nothing else may run beside it.
    /// </summary>
    public static string Printed(TempFolder folder, Action program)
    {
        string before = Environment.CurrentDirectory;
        TextWriter console = Console.Out;
        using var printed = new StringWriter();
        try
        {
            Directory.CreateSymbolicLink(folder.File("data-samples"), Repository.At("data-samples"));
            Environment.CurrentDirectory = folder.Path;
            Console.SetOut(printed);
            program();
        }
        finally
        {
            Console.SetOut(console);
            Environment.CurrentDirectory = before;
        }

        return printed.ToString();
    }
}
