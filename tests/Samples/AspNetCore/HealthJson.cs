using Microsoft.Extensions.Diagnostics.HealthChecks;

namespace MlNetTransfer.Samples.AspNetCore;

// guide: health
/// <summary>
/// Writes a health report as JSON, the data of each check included. Paths and reasons are for operators: keep the
/// endpoint off the public network.
/// </summary>
public static class HealthJson
{
    /// <summary>Writes the report.</summary>
    public static Task WriteAsync(HttpContext context, HealthReport report) =>
        context.Response.WriteAsJsonAsync(
            new
            {
                status = report.Status.ToString(),
                checks = report.Entries.ToDictionary(
                    e => e.Key,
                    e => new
                    {
                        status = e.Value.Status.ToString(),
                        e.Value.Description,
                        e.Value.Data,
                    }
                ),
            }
        );
}
// guide end
