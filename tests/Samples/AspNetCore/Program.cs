using MlNetTransfer.Samples.AspNetCore;

await PredictApp.Build(args).RunAsync();
