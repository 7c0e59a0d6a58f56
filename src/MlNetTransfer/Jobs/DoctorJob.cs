using System.Runtime.InteropServices;
using System.Runtime.Intrinsics.Arm;
using System.Runtime.Intrinsics.X86;
using Microsoft.ML.OnnxRuntime;
using MlNetTransfer.Backbones;
using MlNetTransfer.Imaging;

namespace MlNetTransfer.Jobs;

/// <summary>What to look at. Immutable; an invalid instance cannot be made.</summary>
public sealed record DoctorOptions : JobRequest
{
    /// <summary>The cache that jobs are to use. Default <see cref="MlNetTransfer.CacheFolder.Root"/>.</summary>
    public string CacheFolder
    {
        get;
        init => field = Check.NotEmpty(value);
    } = MlNetTransfer.CacheFolder.Root;

    /// <inheritdoc/>
    public override DoctorJob CreateJob(JobServices? services = null) => new(this, services);
}

/// <summary>
/// Looks at everything that a job needs of the machine: versions, cores, instruction sets, native libraries, GPU,
/// cache, backbones.
/// </summary>
/// <param name="options">What to look at.</param>
/// <param name="services">What it takes from outside; null for the defaults.</param>
public sealed class DoctorJob(DoctorOptions options, JobServices? services = null) : IJob<DoctorSummary>
{
    private readonly JobServices services = services ?? JobServices.Default;

    /// <summary>Runs all checks; changes nothing but an empty file that it removes again.</summary>
    /// <param name="progress">Told after each finding.</param>
    /// <param name="cancellation">Ends the job between two checks.</param>
    public DoctorSummary Run(IProgress<JobProgress>? progress = null, CancellationToken cancellation = default)
    {
        List<Finding> findings = [];
        cancellation.ThrowIfCancellationRequested();
        foreach (Finding finding in Checks())
        {
            findings.Add(finding);
            progress?.Report(new JobProgress("Looking at the machine", findings.Count, 0));
            cancellation.ThrowIfCancellationRequested();
        }

        return new DoctorSummary(findings);
    }

    private IEnumerable<Finding> Checks()
    {
        yield return new("MlNetTransfer", Verdict.Good, ProductVersion.Current);
        yield return new(
            "system",
            Verdict.Good,
            $"{RuntimeInformation.OSDescription}, {RuntimeInformation.RuntimeIdentifier}, "
                + $"{RuntimeInformation.FrameworkDescription}"
        );
        yield return new(
            "cores",
            Verdict.Good,
            string.Create(
                System.Globalization.CultureInfo.InvariantCulture,
                $"{Environment.ProcessorCount}, {GC.GetGCMemoryInfo().TotalAvailableMemoryBytes >> 20} MiB of memory"
            )
        );
        yield return InstructionSets();
        yield return Try(
            "ONNX Runtime",
            () =>
                $"{ItemGraph.RuntimeVersion}; providers "
                + $"{string.Join(", ", OrtEnv.Instance().GetAvailableProviders())}",
            "Restore and build again: the native library comes with the package Microsoft.ML.OnnxRuntime."
        );
        yield return Try(
            "image decoder",
            () => DecoderVersion.Text,
            "Restore and build again: libvips comes with the package NetVips.Native."
        );
        foreach (Finding finding in Gpu())
            yield return finding;
        yield return Cache();
        foreach (Finding finding in Backbones())
            yield return finding;
    }

    private static Finding InstructionSets()
    {
        (string Name, bool There)[] sets =
        [
            ("AVX-512", Avx512F.IsSupported),
            ("AVX2", Avx2.IsSupported),
            ("FMA", Fma.IsSupported),
            ("NEON", AdvSimd.IsSupported),
        ];
        string[] found = [.. sets.Where(s => s.There).Select(s => s.Name)];
        return found.Length > 0
            ? new("instruction sets", Verdict.Good, string.Join(", ", found))
            : new(
                "instruction sets",
                Verdict.Wrong,
                "no vector instructions that the fast paths use",
                "Use a processor with AVX2 or NEON, or expose it to the virtual machine; everything works without, "
                    + "several times slower."
            );
    }

    private static IEnumerable<Finding> Gpu()
    {
        bool built = ExecutionPlan.HasGpuProviders;
        if (!NativeLibrary.TryLoad(OperatingSystem.IsWindows() ? "nvcuda.dll" : "libcuda.so.1", out _))
        {
            yield return built
                ? new(
                    "GPU",
                    Verdict.Wrong,
                    "this is a GPU build, but NVIDIA's driver library does not load",
                    "Install NVIDIA's driver; in a container, start it with GPU access."
                )
                : new("GPU", Verdict.Absent, "no NVIDIA driver; jobs run on the CPU");
            yield break;
        }

        if (!built)
        {
            yield return new(
                "GPU",
                Verdict.Wrong,
                "NVIDIA's driver is there, but this build has no CUDA provider",
                "Build with -p:Gpu=true to use the GPU."
            );
            yield break;
        }

        yield return Try(
            "GPU",
            () =>
            {
                ExecutionPlan.For(ExecutionProvider.Cuda).RequireDevice();
                return "CUDA provider loads";
            },
            "Install the CUDA and cuDNN versions that the message names, and put their folders on the library path."
        );
    }

    private Finding Cache() =>
        Try(
            "cache",
            () =>
            {
                Directory.CreateDirectory(options.CacheFolder);
                string probe = Path.Combine(options.CacheFolder, $".probe-{Guid.NewGuid():N}");
                File.WriteAllBytes(probe, []);
                File.Delete(probe);
                long bytes = new DirectoryInfo(options.CacheFolder)
                    .EnumerateFiles("*", SearchOption.AllDirectories)
                    .Sum(f => f.Length);
                return string.Create(
                    System.Globalization.CultureInfo.InvariantCulture,
                    $"{options.CacheFolder}: {bytes >> 20} MiB used, "
                        + $"{new DriveInfo(Path.GetFullPath(options.CacheFolder)).AvailableFreeSpace >> 20} MiB free"
                );
            },
            $"Set {CacheFolder.Variable} to a folder that is writable."
        );

    private IEnumerable<Finding> Backbones()
    {
        BackboneCatalog? catalog = null;
        Finding found = Try(
            "catalog",
            () =>
            {
                catalog = services.Catalog;
                return $"{catalog.Cards.Count} backbones: {string.Join(", ", catalog.Cards.Select(c => c.Id))}";
            },
            "Correct or remove models/catalog.json beside the program."
        );
        yield return found;
        foreach (BackboneCard card in catalog?.Cards ?? [])
        {
            string? missing = card.Files.Select(f => catalog!.PathOf(card, f)).FirstOrDefault(f => !File.Exists(f));
            if (missing is not null)
                yield return new Finding(
                    $"backbone {card.Id}",
                    Verdict.Absent,
                    $"{missing} is not there",
                    card.Restore is { } restore
                        ? $"To get it: {restore}."
                        : $"Restore the package {card.Package} {card.PackageVersion} to use it."
                );
        }
    }

    private static Finding Try(string check, Func<string> look, string fix)
    {
        try
        {
            return new Finding(check, Verdict.Good, look());
        }
        catch (Exception e)
            when (e
                    is TransferException
                        or OnnxRuntimeException
                        or TypeInitializationException
                        or DllNotFoundException
                        or IOException
                        or UnauthorizedAccessException
            )
        {
            return new Finding(check, Verdict.Wrong, (e.InnerException ?? e).Message.ReplaceLineEndings(" "), fix);
        }
    }
}

/// <summary>What was found.</summary>
/// <param name="Findings">One per thing that was looked at.</param>
public sealed record DoctorSummary(IReadOnlyList<Finding> Findings);

/// <summary>One thing that was looked at.</summary>
/// <param name="Check">What was looked at.</param>
/// <param name="Verdict">Whether it is as it should be.</param>
/// <param name="Found">What was found.</param>
/// <param name="Fix">How to mend it; empty where nothing is wrong.</param>
public sealed record Finding(string Check, Verdict Verdict, string Found, string Fix = "");
