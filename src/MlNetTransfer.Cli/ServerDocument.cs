using Microsoft.OpenApi;

namespace MlNetTransfer.Cli;

/// <summary>What the OpenAPI document says of a prediction beyond what the code shows.</summary>
internal static class ServerDocument
{
    /// <summary>Adds the three forms of a body, and what may stand in the address.</summary>
    public static void AddBody(OpenApiOperation operation, bool needsKey)
    {
        OpenApiSchema image = new() { Type = JsonSchemaType.String, Format = "binary" };
        operation.RequestBody = new OpenApiRequestBody
        {
            Required = true,
            Description =
                "An image file as the body; or several as files of a form; or JSON with images in base64. JPEG, PNG, "
                + "WebP, GIF, TIFF, AVIF or BMP.",
            Content = new Dictionary<string, OpenApiMediaType>
            {
                ["application/octet-stream"] = new OpenApiMediaType { Schema = image },
                ["multipart/form-data"] = new OpenApiMediaType
                {
                    Schema = new OpenApiSchema
                    {
                        Type = JsonSchemaType.Object,
                        Properties = new Dictionary<string, IOpenApiSchema>
                        {
                            ["images"] = new OpenApiSchema { Type = JsonSchemaType.Array, Items = image },
                        },
                    },
                },
                ["application/json"] = new OpenApiMediaType
                {
                    Schema = new OpenApiSchema
                    {
                        Type = JsonSchemaType.Object,
                        Required = new HashSet<string> { "images" },
                        Properties = new Dictionary<string, IOpenApiSchema>
                        {
                            ["images"] = new OpenApiSchema
                            {
                                Type = JsonSchemaType.Array,
                                Items = new OpenApiSchema { Type = JsonSchemaType.String, Format = "byte" },
                            },
                            ["top"] = Top(),
                            ["threshold"] = Threshold(),
                        },
                    },
                },
            },
        };
        operation.Parameters ??= [];
        operation.Parameters.Add(Query("top", Top()));
        operation.Parameters.Add(Query("threshold", Threshold()));
        if (needsKey)
            operation.Parameters.Add(
                new OpenApiParameter
                {
                    Name = "X-Api-Key",
                    In = ParameterLocation.Header,
                    Required = true,
                    Schema = new OpenApiSchema { Type = JsonSchemaType.String },
                }
            );
    }

    private static OpenApiParameter Query(string name, OpenApiSchema schema) =>
        new()
        {
            Name = name,
            In = ParameterLocation.Query,
            Description = schema.Description,
            Schema = schema,
        };

    private static OpenApiSchema Top() =>
        new()
        {
            Type = JsonSchemaType.Integer,
            Minimum = "1",
            Maximum = "1000",
            Description = "Likeliest classes in the answer.",
        };

    private static OpenApiSchema Threshold() =>
        new()
        {
            Type = JsonSchemaType.Number,
            Minimum = "0",
            Maximum = "1",
            Description = "Least probability below which an answer says that it abstained.",
        };
}

/// <summary>Logs as lines of a terminal: time, level and message, an exception's message after it.</summary>
internal sealed class LineLogs(Action<string> write) : ILoggerProvider
{
    public ILogger CreateLogger(string categoryName) => new Logger(write);

    public void Dispose() { }

    private sealed class Logger(Action<string> write) : ILogger
    {
        public IDisposable? BeginScope<TState>(TState state)
            where TState : notnull => null;

        public bool IsEnabled(LogLevel logLevel) => logLevel >= LogLevel.Information;

        public void Log<TState>(
            LogLevel logLevel,
            EventId eventId,
            TState state,
            Exception? exception,
            Func<TState, Exception?, string> formatter
        )
        {
            if (!IsEnabled(logLevel))
                return;
            string level = logLevel switch
            {
                LogLevel.Information => "",
                LogLevel.Warning => "warning: ",
                _ => "error: ",
            };
            string reason =
                exception is null ? ""
                : exception is TransferException ? $" {exception.Message}"
                : $" {exception}";
            write(
                FormattableString.Invariant($"{DateTime.UtcNow:HH:mm:ss} {level}{formatter(state, exception)}{reason}")
            );
        }
    }
}
