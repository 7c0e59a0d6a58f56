using System.Formats.Tar;
using System.IO.Compression;
using Microsoft.Data.Sqlite;
using MlNetTransfer.Heads;
using MlNetTransfer.Jobs;
using MlNetTransfer.Scoring;
using MlNetTransfer.Tests.Training.FineTuning;
using MlNetTransfer.Training;
using Parquet;
using Parquet.Schema;

namespace MlNetTransfer.Tests.Scoring;

/// <summary>A small model and images to score in every form, one of them damaged.</summary>
internal sealed class ScoreTask : IDisposable
{
    private readonly TuneTask task = new();

    public ScoreTask(int images = 20)
    {
        task.Run(task.Options("model", TrainingStrategy.Head) with { TestFraction = 0.4 });
        string[] made =
        [
            .. Directory.GetFiles(task.Images, "*.bmp", SearchOption.AllDirectories).Order().Take(images - 1),
        ];
        Directory.CreateDirectory(Path.Combine(Folder, "b"));
        for (int i = 0; i < made.Length; i++)
            File.Copy(made[i], Path.Combine(Folder, i % 2 == 0 ? $"{i:d3}.bmp" : $"b/{i:d3}.bmp"));
        File.WriteAllText(Path.Combine(Folder, "b", "broken.bmp"), "no image");
        Names = [.. FolderPaths.Read(Folder, "-").Select(input => input.Key)];
    }

    public string Model => task.File("model/model.onnx");

    public string Folder => task.File("inputs");

    /// <summary>The images, as a folder lists them.</summary>
    public IReadOnlyList<string> Names { get; }

    public string At(string name) => task.File(name);

    public ScoreOptions Options(string input, string output) =>
        new()
        {
            Model = Model,
            Input = input,
            Output = output,
            Workers = 2,
            WorkFolder = At("work"),
        };

    /// <summary>Another model of the same network: of all taps but the last, by another head.</summary>
    public string Second()
    {
        TrainOptions first = task.Options("second", TrainingStrategy.Head);
        task.Run(first with { TestFraction = 0.4, Taps = [.. first.Taps!.SkipLast(1)], Head = HeadKind.Prototype });
        return task.File("second/model.onnx");
    }

    /// <summary>The inputs in another form.</summary>
    public string Input(string kind)
    {
        string path = At($"list{kind}");
        string[] paths = [.. Names.Select(name => $"inputs/{name}")];
        switch (kind)
        {
            case "":
                return Folder;
            case ".csv":
                File.WriteAllLines(path, ["image,camera", .. paths.Select((p, i) => $"{p},\"c, {i}\"")]);
                break;
            case ".jsonl":
                File.WriteAllLines(path, paths.Select((p, i) => $$"""{"path":"{{p}}","camera":"c, {{i}}"}"""));
                break;
            case ".txt":
                File.WriteAllLines(path, paths);
                break;
            case ".zip":
                ZipFile.CreateFromDirectory(Folder, path);
                break;
            case ".tar":
                TarFile.CreateFromDirectory(Folder, path, includeBaseDirectory: false);
                break;
            case ".tar.gz":
                using (var packed = new GZipStream(File.Create(path), CompressionLevel.Fastest))
                    TarFile.CreateFromDirectory(Folder, packed, includeBaseDirectory: false);
                break;
            case ".parquet":
                ParquetAsync(path, paths).GetAwaiter().GetResult();
                break;
            case ".db":
                Database(path, paths);
                break;
        }

        return path;
    }

    public void Dispose() => task.Dispose();

    private void Database(string path, string[] paths)
    {
        using var connection = new SqliteConnection($"Data Source={path};Pooling=False");
        connection.Open();
        using SqliteCommand command = connection.CreateCommand();
        command.CommandText = "CREATE TABLE images (id INTEGER PRIMARY KEY, path TEXT, content BLOB, camera TEXT)";
        command.ExecuteNonQuery();
        command.CommandText = "INSERT INTO images VALUES (@id, @path, @content, 'c')";
        for (int i = 0; i < paths.Length; i++)
        {
            command.Parameters.Clear();
            command.Parameters.AddWithValue("@id", 7 * i + 2);
            command.Parameters.AddWithValue("@path", At(paths[i]));
            command.Parameters.AddWithValue("@content", File.ReadAllBytes(At(paths[i])));
            command.ExecuteNonQuery();
        }
    }

    private static async Task ParquetAsync(string path, string[] paths)
    {
        DataField[] fields = [new DataField<string>("path"), new DataField<int>("number")];
        using FileStream stream = File.Create(path);
        await using ParquetWriter writer = await ParquetWriter.CreateAsync(
            new ParquetSchema(fields.Cast<Field>().ToArray()),
            stream
        );
        foreach (string[] some in paths.Chunk(7))
        {
            using ParquetRowGroupWriter group = writer.CreateRowGroup();
            await group.WriteAsync(fields[0], some);
            await group.WriteAsync<int>(fields[1], some.Select(p => p.Length).ToArray());
        }
    }
}
