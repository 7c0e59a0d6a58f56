using System.Runtime.CompilerServices;
using Microsoft.Extensions.Options;

namespace MlNetTransfer.Hosting;

/// <summary>Names every option that is out of its range, with the value found and the range.</summary>
internal sealed class TransferModelOptionsValidator : IValidateOptions<TransferModelOptions>
{
    public ValidateOptionsResult Validate(string? name, TransferModelOptions options)
    {
        List<string> wrong = [];
        if (string.IsNullOrWhiteSpace(options.Path))
            wrong.Add(
                $"{nameof(options.Path)} is empty; the path of a model.onnx written by 'mlnet-transfer train' was "
                    + $"expected"
            );
        if (options.Limits is null)
            wrong.Add($"{nameof(options.Limits)} is null");
        if (!Enum.IsDefined(options.Device))
            wrong.Add($"{nameof(options.Device)} is {options.Device}; Cpu, Cuda or TensorRt was expected");
        Range(options.Top, 1, 1000);
        Range(options.Workers, 1, 1024);
        Range(options.MaxWaiting, 1, 1_000_000);
        Range(options.MaxBatchSize, 1, 1024);
        Range(options.MaxDelay, TimeSpan.Zero, TimeSpan.FromSeconds(10));
        Range(options.Debounce, TimeSpan.Zero, TimeSpan.FromHours(1));
        Range(options.PollInterval, TimeSpan.FromMilliseconds(10), TimeSpan.FromDays(1));
        return wrong.Count == 0
            ? ValidateOptionsResult.Success
            : ValidateOptionsResult.Fail(
                $"Model '{name}' ('{options.Path}'): {string.Join("; ", wrong)}. Correct it where "
                    + $"{nameof(TransferModelOptions)} is set."
            );

        void Range<T>(T value, T low, T high, [CallerArgumentExpression(nameof(value))] string option = "")
            where T : IComparable<T>
        {
            if (value.CompareTo(low) < 0 || value.CompareTo(high) > 0)
                wrong.Add(
                    FormattableString.Invariant(
                        $"{option["options.".Length..]} is {value}; {low} to {high} was expected"
                    )
                );
        }
    }
}
