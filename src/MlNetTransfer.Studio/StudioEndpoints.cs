using System.IO.Compression;
using Microsoft.AspNetCore.Http.Features;
using Microsoft.Net.Http.Headers;
using MlNetTransfer.Onnx;
using MlNetTransfer.Reports;
using MlNetTransfer.Runs;

namespace MlNetTransfer.Studio;

/// <summary>
/// What pages fetch besides themselves: pictures, reports, files; and where they put what was dropped.
/// </summary>
internal static class StudioEndpoints
{
    private const string ShutIn =
        "default-src 'none'; img-src data:; style-src 'unsafe-inline'; script-src 'unsafe-inline'; "
        + "frame-ancestors 'self'; sandbox allow-scripts";

    /// <summary>Adds them.</summary>
    public static void MapStudio(this WebApplication app)
    {
        app.MapGet("/thumbnail", ThumbnailAsync);
        app.MapGet("/picture", Picture);
        app.MapGet("/report/{name}", Report);
        app.MapGet("/comparison/{first}/{second}", Comparison);
        app.MapGet("/file/{run}/{file}", File);
        app.MapGet("/project/{run}/{kind}", ProjectAsync);
        app.MapGet("/language", Language);
        app.MapPost("/upload", (string name, StudioUploads uploads) => Taken(() => Results.Text(uploads.Begin(name))));
        app.MapPost("/upload/{id}", AddAsync);
        app.MapPost("/upload/{id}/archive", UnpackAsync);
        app.MapPost("/upload/{id}/end", End);
    }

    private static async Task<IResult> ThumbnailAsync(string path, Thumbnails thumbnails, HttpContext context)
    {
        if (await thumbnails.OfAsync(path, context.RequestAborted) is not { } jpeg)
            return Results.NotFound();
        context.Response.Headers.CacheControl = "private, no-cache";
        long written = System.IO.File.GetLastWriteTimeUtc(path).Ticks;
        return Results.Bytes(
            jpeg,
            "image/jpeg",
            entityTag: new EntityTagHeaderValue(FormattableString.Invariant($"\"{written}\""))
        );
    }

    /// <summary>An image as large as a page shows one.</summary>
    private static IResult Picture(string path, StudioRoots roots) =>
        roots.Find(path) is { } real && TrialModel.Picture(real) is { } jpeg
            ? Results.Bytes(jpeg, "image/jpeg")
            : Results.NotFound();

    /// <summary>The page about a run, which is shut in: what it says of images and classes comes from files.</summary>
    private static IResult Report(string name, FinishedRuns runs, HttpContext context)
    {
        if (runs.Find(name) is not { } run || !System.IO.File.Exists(run.Report))
            return Results.NotFound();
        context.Response.Headers.ContentSecurityPolicy = ShutIn;
        return Results.File(run.Report, "text/html; charset=utf-8");
    }

    /// <summary>Two runs on the images that both judged; shut in, too.</summary>
    private static IResult Comparison(string first, string second, FinishedRuns runs, HttpContext context)
    {
        if (runs.Find(first) is not { } one || runs.Find(second) is not { } other || one == other)
            return Results.NotFound();
        context.Response.Headers.ContentSecurityPolicy = ShutIn;
        string file = Path.Combine(Path.GetTempPath(), $"mlnet-transfer-{Guid.NewGuid():N}.html");
        try
        {
            ComparisonReport.Write(
                [FinishedRun.Load(one.Folder), FinishedRun.Load(other.Folder)],
                file,
                null,
                context.RequestAborted
            );
            return Results.Bytes(System.IO.File.ReadAllBytes(file), "text/html; charset=utf-8");
        }
        catch (Exception e)
            when (e is TransferException or GraphException or IOException or UnauthorizedAccessException)
        {
            return Results.Text(e.Message);
        }
        finally
        {
            System.IO.File.Delete(file);
        }
    }

    private static IResult File(string run, string file, FinishedRuns runs) =>
        runs.Find(run) is { } found && FinishedRuns.FilesOf(found).Contains(file)
            ? Results.File(Path.Combine(found.Folder, file), "application/octet-stream", $"{run}-{file}")
            : Results.NotFound();

    /// <summary>A project around the model, as an archive.</summary>
    private static async Task<IResult> ProjectAsync(string run, string kind, FinishedRuns runs, HttpContext context)
    {
        if (
            runs.Find(run) is not { } found
            || !Enum.TryParse(kind, ignoreCase: true, out ProjectKind chosen)
            || !Enum.IsDefined(chosen)
        )
            return Results.NotFound();
        string folder = Directory.CreateTempSubdirectory("mlnet-transfer-project-").FullName;
        try
        {
            string name = $"{run}-{chosen}".Replace('-', '_');
            GeneratedProject.Write(
                new ProjectOptions
                {
                    Model = found.Model,
                    Kind = chosen,
                    Output = Path.Combine(folder, name),
                }
            );
            string archive = Path.Combine(folder, "project.zip");
            await ZipFile.CreateFromDirectoryAsync(
                Path.Combine(folder, name),
                archive,
                CompressionLevel.Fastest,
                includeBaseDirectory: true,
                context.RequestAborted
            );
            // Held until it is sent, and gone then.
            FileStream whole = new(
                archive,
                FileMode.Open,
                FileAccess.Read,
                FileShare.Read | FileShare.Delete,
                1 << 16,
                FileOptions.DeleteOnClose
            );
            context.Response.OnCompleted(() =>
            {
                Directory.Delete(folder, recursive: true);
                return Task.CompletedTask;
            });
            return Results.Stream(whole, "application/zip", $"{name}.zip");
        }
        catch (Exception e)
        {
            Directory.Delete(folder, recursive: true);
            if (e is not (TransferException or GraphException or IOException))
                throw;
            return Results.Text(e.Message, statusCode: StatusCodes.Status500InternalServerError);
        }
    }

    private static IResult Language(string to, HttpContext context)
    {
        if (StudioTexts.Languages.Any(l => l.Code == to))
            context.Response.Cookies.Append(
                StudioTexts.Cookie,
                to,
                new CookieOptions
                {
                    HttpOnly = true,
                    SameSite = Microsoft.AspNetCore.Http.SameSiteMode.Strict,
                    Path = "/",
                    MaxAge = TimeSpan.FromDays(365),
                }
            );
        return Results.Redirect("/");
    }

    private static Task<IResult> AddAsync(string id, string path, StudioUploads uploads, HttpContext context) =>
        TakenAsync(uploads, id, context, body => uploads.AddAsync(id, path, body, context.RequestAborted));

    private static Task<IResult> UnpackAsync(string id, StudioUploads uploads, HttpContext context) =>
        TakenAsync(uploads, id, context, body => uploads.UnpackAsync(id, body, context.RequestAborted));

    private static IResult End(string id, StudioUploads uploads, StudioData studio) =>
        Taken(() =>
        {
            (string folder, int leftOut) = uploads.Finish(id);
            try
            {
                studio.Open(folder);
            }
            catch
            {
                uploads.Remove(id);
                throw;
            }

            return Results.Text(FormattableString.Invariant($"{leftOut}"));
        });

    private static async Task<IResult> TakenAsync(
        StudioUploads uploads,
        string id,
        HttpContext context,
        Func<Stream, Task> take
    )
    {
        // Bytes are counted as they are written.
        if (context.Features.Get<IHttpMaxRequestBodySizeFeature>() is { IsReadOnly: false } size)
            size.MaxRequestBodySize = null;
        try
        {
            await take(context.Request.Body);
            return Results.NoContent();
        }
        catch (Exception e)
        {
            await uploads.ForgetAsync(id);
            if (Refused(e) is { } refused)
                return refused;
            throw;
        }
    }

    private static IResult Taken(Func<IResult> take)
    {
        try
        {
            return take();
        }
        catch (Exception e) when (Refused(e) is not null)
        {
            return Refused(e)!;
        }
    }

    /// <summary>What stood in the way, for the page to show.</summary>
    private static IResult? Refused(Exception e) =>
        e is TransferException or IOException or UnauthorizedAccessException
            ? Results.Text(e.Message, statusCode: StatusCodes.Status400BadRequest)
            : null;
}
