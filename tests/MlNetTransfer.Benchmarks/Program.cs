using MlNetTransfer.Benchmarks;

return args switch
{
    ["head", .. var rest] => HeadBenchmark.Run(rest),
    _ => Usage(),
};

static int Usage()
{
    Console.Error.WriteLine("Usage: dotnet run -c Release --project tests/MlNetTransfer.Benchmarks -- head [rows width classes]");
    return 2;
}
