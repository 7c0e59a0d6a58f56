using System.Diagnostics;
using System.Text;

namespace MlNetTransfer.Cli.Tests;

/// <summary>A worker in a process of its own.</summary>
internal sealed class WorkerProcess : IDisposable
{
    private readonly StringBuilder said = new();
    private readonly Process process;

    public WorkerProcess(string store)
    {
        process = Cli.Start("worker", "--store", store, "--workers", "1", "--check-in", "1s");
        process.ErrorDataReceived += (_, line) =>
        {
            lock (said)
                said.AppendLine(line.Data);
        };
        process.BeginErrorReadLine();
        process.BeginOutputReadLine();
    }

    public string Said
    {
        get
        {
            lock (said)
                return said.ToString();
        }
    }

    /// <summary>As if the power were cut.</summary>
    public void Kill()
    {
        process.Kill();
        process.WaitForExit();
    }

    /// <summary>As an operator or Kubernetes ends it.</summary>
    public void Terminate()
    {
        using Process kill = Process.Start("kill", ["-TERM", $"{process.Id}"]);
        Assert.IsTrue(process.WaitForExit(TimeSpan.FromMinutes(1)), "It did not end within a minute.");
        process.WaitForExit();
        Assert.AreEqual(ExitCode.Done, process.ExitCode);
    }

    public void Dispose()
    {
        if (!process.HasExited)
            Kill();
        process.Dispose();
    }

    /// <summary>Waits for what workers do.</summary>
    public static void WaitFor(Func<bool> isSo, IReadOnlyList<WorkerProcess> workers)
    {
        long started = Stopwatch.GetTimestamp();
        while (!isSo())
        {
            Assert.IsLessThan(120, Stopwatch.GetElapsedTime(started).TotalSeconds, SaidBy(workers));
            Thread.Sleep(50);
        }
    }

    /// <summary>What they said, for messages.</summary>
    public static string SaidBy(IReadOnlyList<WorkerProcess> workers) =>
        string.Join('\n', workers.Select((worker, i) => $"worker {i}:\n{worker.Said}"));
}
