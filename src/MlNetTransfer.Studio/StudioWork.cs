using MlNetTransfer.Jobs;
using MlNetTransfer.Models;
using MlNetTransfer.Models.Exports;
using MlNetTransfer.Onnx;
using MlNetTransfer.Reports;
using MlNetTransfer.Runs;

namespace MlNetTransfer.Studio;

/// <summary>Starts what takes long: trainings, checks, advice, exports, predictions.</summary>
internal sealed class StudioWork(
    WorkQueue queue,
    FinishedRuns runs,
    StudioData studio,
    StudioRoots roots,
    StudioOptions options
)
{
    /// <summary>What each is called.</summary>
    public const string Training = "training",
        Checking = "check",
        Advising = "measurement",
        Exporting = "export",
        Asking = "prediction";

    private readonly Lock gate = new();

    private JobServices Services =>
        options.Catalog is { } catalog ? new JobServices { Catalog = catalog } : new JobServices();

    /// <summary>Puts a training into the queue.</summary>
    /// <param name="name">Name of the run.</param>
    /// <param name="job">The text of the job file.</param>
    /// <exception cref="TransferException">The name is taken, the job file is not as it has to be, or it is about files
    /// that the studio may not look at.</exception>
    public Work Train(string name, string job)
    {
        // Two windows may ask at once.
        lock (gate)
        {
            RequireFree(name);
            RunOptions run = new() { Job = runs.JobOf(name), Output = runs.NewFolder(name) };
            Write(run.Job, job);
            RequireWithin(new RunJob(run, Services).Check());
            return Add(name, run);
        }
    }

    /// <summary>Goes on with a training that was interrupted.</summary>
    /// <param name="name">Name of the run.</param>
    /// <exception cref="TransferException">There is none, or it is being done.</exception>
    public Work Continue(string name)
    {
        lock (gate)
        {
            RequireFree(name);
            if (!runs.Unfinished().Contains(name))
                throw new TransferException($"There is no unfinished run '{name}'.");
            RunOptions run = new() { Job = runs.JobOf(name), Output = Path.Combine(options.Output, name) };
            JobFile job = new RunJob(run, Services).Check();
            RequireWithin(job);
            return Add(
                name,
                run with
                {
                    Resume = job.Train.Strategy.Network is not null || job.Train.Strategy.Chooses,
                }
            );
        }
    }

    /// <summary>Removes what an unfinished training has left.</summary>
    /// <exception cref="TransferException">There is none, or it is being done.</exception>
    public void Remove(string name)
    {
        lock (gate)
        {
            RequireFree(name);
            runs.Remove(name);
        }
    }

    /// <summary>Puts a check of the images into the queue.</summary>
    public Work Check(OpenedData data) =>
        queue.Add(
            Path.GetFileName(data.Path),
            Checking,
            (work, progress) =>
                studio.Found(
                    data,
                    new CheckJob(new CheckOptions { Folder = data.Path }, Services)
                        .Run(progress, work.End.Token)
                        .Findings
                )
        );

    /// <summary>Puts the question how to train into the queue.</summary>
    /// <param name="data">The images, with their corrections.</param>
    /// <param name="budget">Time for trying trainings of the network.</param>
    public Work Advise(OpenedData data, TimeSpan budget)
    {
        string source = data.Source;
        return queue.Add(
            Path.GetFileName(data.Path),
            Advising,
            (work, progress) =>
                studio.Advised(
                    data,
                    new AdviseJob(new AdviseOptions { Folder = source, TimeBudget = budget }, Services)
                        .Run(progress, work.End.Token)
                        .Advice
                )
        );
    }

    /// <summary>Puts the writing of a model in another form into the queue.</summary>
    /// <param name="run">The run.</param>
    /// <param name="format">Name of the form.</param>
    public Work Export(FinishedRunRow run, string format)
    {
        IExportFormat form = ExportFormats.Get(format);
        string images =
            FinishedRuns.ImagesOf(run)
            ?? throw new TransferException(
                $"report.json of '{run.Name}' does not say where its images were, by which an export is checked. Use "
                    + "'mlnet-transfer export'."
            );
        return queue.Add(
            $"{run.Name} as {form.Name}",
            Exporting,
            (work, progress) =>
                new ExportJob(
                    new ExportOptions
                    {
                        Model = run.Model,
                        Format = form.Name,
                        Images = [images],
                        Output = Path.Combine(run.Folder, form.FileName),
                        Overwrite = true,
                    },
                    Services
                ).Run(progress, work.End.Token)
        );
    }

    /// <summary>Puts the question what a model says of images without labels into the queue.</summary>
    /// <param name="run">The run.</param>
    /// <param name="folder">The images; one that may be looked at.</param>
    /// <param name="data">The data set that they may join.</param>
    public Work Ask(FinishedRunRow run, string folder, OpenedData data)
    {
        string path = roots.Folder(folder);
        return queue.Add(
            Path.GetFileName(path),
            Asking,
            (work, progress) =>
                studio.Asked(
                    data,
                    new PredictJob(new PredictOptions { Model = run.Model, Images = [path] }, Services).Run(
                        progress,
                        work.End.Token
                    )
                )
        );
    }

    private Work Add(string name, RunOptions run) =>
        queue.Add(
            name,
            Training,
            (work, progress) =>
            {
                RunSummary summary = new RunJob(run, Services with { OnEpoch = work.Add }).Run(
                    progress,
                    work.End.Token
                );
                progress.Report(new JobProgress("Writing the report", 0, 1));
                HtmlReport.Write(
                    FinishedRun.Of(summary.Training),
                    Path.Combine(run.Output, HtmlReport.FileName),
                    null,
                    work.End.Token
                );
                if (summary.Gates.FirstOrDefault(gate => !gate.Holds) is { } gate)
                    work.Message = $"{gate.Gate} does not hold: {gate.Found}";
            }
        );

    private void RequireFree(string name)
    {
        if (queue.All.Any(w => !w.IsOver && w.What == Training && IsSame(w.Name, name)))
            throw new TransferException($"A run '{name}' waits or is being done. Choose another name.");
    }

    /// <summary>A job file may name any files; one that comes from a page, only those that pages may show.</summary>
    private void RequireWithin(JobFile job)
    {
        RequireWithin(job.Train.Folder);
        if (job.Train.CacheFolder != CacheFolder.Root)
            RequireWithin(job.Train.CacheFolder);
        if (job.Train.FineTune.InitialWeights is { } weights)
            RequireWithin(weights);
        if (job.Train.Unlabelled is { } unlabelled)
            RequireWithin(unlabelled);
        if (job.Gates.NotWorseThan is { } current)
        {
            // A registry is where models lie for all to use.
            if (!StudioRoots.IsWithin(current.Model, ModelRegistry.DefaultPlace))
                RequireWithin(current.Model);
            if (current.Images is { } judged)
                RequireWithin(judged);
        }

        foreach (string images in job.Exports.SelectMany(export => export.Images.Concat(export.CalibrationImages)))
            RequireWithin(images);
    }

    private void RequireWithin(string path)
    {
        if (!roots.Contain(path) && !StudioRoots.IsWithin(StudioRoots.RealPath(path), runs.Folder))
            throw new TransferException(
                $"'{path}' is not within the folders that the studio was started for: "
                    + $"{string.Join(", ", roots.Folders)}. Start it for that folder too."
            );
    }

    private static bool IsSame(string one, string other) => one.Equals(other, StringComparison.OrdinalIgnoreCase);

    private static void Write(string file, string text)
    {
        Directory.CreateDirectory(Path.GetDirectoryName(file)!);
        AtomicFile.Write(file, stream => stream.Write(System.Text.Encoding.UTF8.GetBytes(text)));
    }
}
