using System.Data.Common;
using Microsoft.Data.Sqlite;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Logging;
using Npgsql;
using Quartz;

namespace MlNetTransfer.Cluster;

/// <summary>
/// A scheduler of Quartz over a store. One that is not started neither fires a trigger nor counts as a worker: it is
/// how jobs are submitted and asked for.
/// </summary>
internal sealed class StoreConnection : IAsyncDisposable
{
    /// <summary>All workers of a store are one scheduler in the terms of Quartz.</summary>
    private const string SchedulerName = "mlnet-transfer";

    private static readonly TimeSpan KeepLog = TimeSpan.FromDays(30);
    private readonly ServiceProvider services;

    private StoreConnection(ServiceProvider services, IScheduler scheduler, ClusterStore store) =>
        (this.services, Scheduler, Store) = (services, scheduler, store);

    public IScheduler Scheduler { get; }

    public ClusterStore Store { get; }

    /// <summary>What became of each run of a shard, for people; a store that was away has gaps in it.</summary>
    public Quartz.Extensibility.IExecutionHistoryStore Log =>
        services.GetRequiredService<Quartz.Extensibility.IExecutionHistoryStore>();

    /// <summary>Opens a store; its tables are made where they are missing.</summary>
    /// <param name="store">The store.</param>
    /// <param name="worker">What makes of the scheduler a worker; null for a client.</param>
    /// <exception cref="TransferException">It cannot be reached.</exception>
    public static async Task<StoreConnection> Open(ClusterStore store, WorkerSetting? worker = null)
    {
        if (store.File is { } file)
            OutputLock.MakeFolder(Path.GetDirectoryName(file)!);
        var collection = new ServiceCollection();
        collection.AddSingleton<ILoggerFactory>(new LogLines(worker?.Log));
        collection.AddSingleton(typeof(ILogger<>), typeof(Logger<>));
        if (worker is not null)
            collection.AddSingleton(worker);
        collection.AddSingleton(store);
        collection.AddQuartzExecutionHistory(history => history.Retention = KeepLog);
        collection.AddQuartz(quartz => Configure(quartz, store, worker));
        ServiceProvider services = collection.BuildServiceProvider();
        try
        {
            IScheduler scheduler = await services.GetRequiredService<ISchedulerFactory>().GetScheduler();
            return new StoreConnection(services, scheduler, store);
        }
        catch (Exception e) when (Unreachable(store, e) is { } said)
        {
            await services.DisposeAsync();
            throw said;
        }
    }

    /// <summary>Does work in the store; what it throws where it is away becomes words.</summary>
    /// <exception cref="TransferException">The store is away.</exception>
    public async Task<T> Ask<T>(Func<IScheduler, ValueTask<T>> work)
    {
        try
        {
            return await work(Scheduler);
        }
        catch (Exception e) when (Unreachable(Store, e) is { } said)
        {
            throw said;
        }
    }

    public async ValueTask DisposeAsync()
    {
        if (Scheduler.Status is not SchedulerStatus.Shutdown)
            await Scheduler.Shutdown(waitForJobsToComplete: false);
        await services.DisposeAsync();
    }

    /// <summary>The error of a store that cannot be reached; null where the cause is another one.</summary>
    private static TransferException? Unreachable(ClusterStore store, Exception e)
    {
        if (e is ObjectAlreadyExistsException)
            return null;
        return IsOfTheStore(e)
            ? new TransferException(
                $"The store {store.Name} cannot be reached: "
                    + $"{e.GetBaseException().Message.ReplaceLineEndings(" ").TrimEnd('.')}. "
                    + "Expected a database that exists and that this user may make tables in; check the address, "
                    + "that the server runs, and the password in PGPASSWORD.",
                e
            )
            : null;
    }

    private static bool IsOfTheStore(Exception e) =>
        e is DbException or System.Net.Sockets.SocketException
        || (e.InnerException is { } inner && IsOfTheStore(inner));

    private static void Configure(IQuartzBuilder quartz, ClusterStore store, WorkerSetting? worker)
    {
        quartz.ConfigureScheduler(options =>
        {
            options.InstanceName = SchedulerName;
            options.InstanceId = worker?.Id ?? $"client-{Guid.NewGuid():N}";
            options.IdleWaitTime = worker?.Idle ?? TimeSpan.FromSeconds(3);
            // A worker takes a shard when it can run it, not before.
            options.MaxBatchSize = 1;
            options.ShutdownJobInterruption = ShutdownJobInterruption.Always;
        });
        quartz.UseDefaultThreadPool(worker?.Shards ?? 1);
        if (worker is not null)
            quartz.ServeExecutionGroups(JobRecord.GroupOf(ProductVersion.OfPackage));
        quartz.UsePersistentStore(persistent =>
        {
            persistent.ProvisionSchema();
            persistent.UseSystemTextJsonSerializer();
            persistent.UseExecutionHistory();
            persistent.ConfigureStore(options =>
            {
                options.StoreJobDataAsStrings = true;
                options.RecoverFiringsCancelledByShutdown = true;
                options.DbRetryInterval = TimeSpan.FromSeconds(5);
            });
            if (store.File is not null)
            {
                persistent.UseSqlite(SqliteFactory.Instance, store.Connection);
                return;
            }

            persistent.UsePostgres(NpgsqlFactory.Instance, store.Connection);
            persistent.UseClustering(cluster =>
            {
                cluster.CheckinInterval = worker?.CheckIn ?? TimeSpan.FromSeconds(5);
                cluster.CheckinMisfireThreshold = (worker?.CheckIn ?? TimeSpan.FromSeconds(5)) * 2;
            });
        });
    }

    /// <summary>Warnings and errors of the engine, a short line each; a failed shard has said so itself.</summary>
    private sealed class LogLines(Action<string>? write) : ILoggerFactory, ILogger
    {
        private const int Longest = 300;

        private static readonly TimeSpan Quiet = TimeSpan.FromSeconds(30);

        private readonly Lock gate = new();
        private string last = "";
        private long at;

        public void AddProvider(ILoggerProvider provider) { }

        public ILogger CreateLogger(string categoryName) => this;

        public IDisposable? BeginScope<TState>(TState state)
            where TState : notnull => null;

        public bool IsEnabled(LogLevel level) => write is not null && level >= LogLevel.Warning;

        public void Log<TState>(
            LogLevel level,
            EventId id,
            TState state,
            Exception? exception,
            Func<TState, Exception?, string> formatter
        )
        {
            string text = IsEnabled(level) ? formatter(state, exception) : "";
            bool isOfAShard =
                text.StartsWith("Job ", StringComparison.Ordinal)
                && text.Contains(" threw an ", StringComparison.Ordinal);
            if (text.Length == 0 || isOfAShard)
                return;
            string cause = exception?.GetBaseException().Message ?? "";
            if (exception is not null && IsOfTheStore(exception))
            {
                lock (gate)
                {
                    if (last == cause && TimeProvider.System.GetElapsedTime(at) < Quiet)
                        return;
                    (last, at) = (cause, TimeProvider.System.GetTimestamp());
                }

                text = "asking again until it works:";
            }

            string line = $"store: {text} {cause}".TrimEnd().ReplaceLineEndings(" ");
            write!(line.Length > Longest ? $"{line[..Longest]}…" : line);
        }

        public void Dispose() { }
    }
}

/// <summary>What makes of a scheduler a worker, and how many shards it has in work. Thread-safe.</summary>
internal sealed class WorkerSetting
{
    private int inWork;

    /// <summary>Its name in the store, which no other has.</summary>
    public required string Id { get; init; }

    /// <summary>Shards worked on at the same time.</summary>
    public required int Shards { get; init; }

    /// <summary>Images worked on at the same time in each of them.</summary>
    public required int ImagesAtOnce { get; init; }

    /// <summary>How often it says that it is alive.</summary>
    public required TimeSpan CheckIn { get; init; }

    /// <summary>How often it asks for work where there is none.</summary>
    public required TimeSpan Idle { get; init; }

    /// <summary>What it says; null for nobody.</summary>
    public Action<string>? Log { get; init; }

    /// <summary>Cancelled when it is asked to end: what it works on goes back.</summary>
    public required CancellationToken Stopping { get; init; }

    /// <summary>Shards in work.</summary>
    public int InWork => Volatile.Read(ref inWork);

    /// <summary>A shard is in work until what is returned is disposed, once or more often.</summary>
    public IDisposable Begin()
    {
        Interlocked.Increment(ref inWork);
        return new Shard(this);
    }

    private sealed class Shard(WorkerSetting owner) : IDisposable
    {
        private int isDisposed;

        public void Dispose()
        {
            if (Interlocked.Exchange(ref isDisposed, 1) == 0)
                Interlocked.Decrement(ref owner.inWork);
        }
    }
}
