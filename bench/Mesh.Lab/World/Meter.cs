using Mesh.Lab.Metrics;
using Mesh.Load.Measuring;
using Mesh.Load.Running;

namespace Mesh.Lab.World;

/// <summary>Runs a load and reads every layer before, during and after it.</summary>
/// <param name="world">What runs.</param>
internal sealed class Meter(LabWorld world)
{
    private static readonly TimeSpan SampleEvery = TimeSpan.FromMilliseconds(100);
    private static readonly TimeSpan Quiet = TimeSpan.FromMilliseconds(300);

    private sealed record Mark(Sidecar Sidecar, string Cluster, long LogAt, ClusterCounters Counters)
    {
        public long MostConnections { get; set; }
    }

    /// <summary>Users who order product 2 at the inbound side of orders' sidecar, as peers would.</summary>
    public LoadOptions Orders(int users) => new()
    {
        Url = new Uri(world.Orders.Inbound, "/orders"),
        Method = HttpMethod.Post,
        Body = """{"productId":2,"quantity":1}""",
        ContentType = "application/json",
        Headers = [new("Host", "orders:8080")],
        Users = users,
    };

    /// <summary>Callers that ask products directly, through orders' sidecar.</summary>
    public LoadOptions Direct(int users, int total) => new()
    {
        Url = new Uri("http://products:8080/product/2"),
        Proxy = world.Orders.Outbound,
        Users = users,
        Total = total,
    };

    /// <summary>Runs a load without measuring the layers.</summary>
    public Task<LoadReport> RunAsync(LoadOptions load, CancellationToken stop) => new LoadRun(load, world.Time, world.Random).RunAsync(stop);

    /// <summary>Runs a load to its end and returns what every layer saw.</summary>
    public Task<Measurement> MeasureAsync(LoadOptions load, CancellationToken stop) => MeasureAsync(token => RunAsync(load, token), stop);

    /// <summary>Does something that yields a report, and returns what every layer saw meanwhile.</summary>
    public async Task<Measurement> MeasureAsync(Func<CancellationToken, Task<LoadReport>> work, CancellationToken stop)
    {
        foreach (ProductsInstance instance in world.Instances)
        {
            await instance.ResetAsync(stop);
        }

        long stock = await StockAsync(stop);
        List<Mark> callers = [];
        foreach (Sidecar caller in world.Callers)
        {
            callers.Add(await MarkAsync(caller, LabWorld.Products, stop));
        }

        List<Mark> apps = [];
        foreach (ProductsInstance instance in world.Instances)
        {
            apps.Add(await MarkAsync(instance.Sidecar, LabWorld.ProductsApp, stop));
        }

        using CancellationTokenSource done = CancellationTokenSource.CreateLinkedTokenSource(stop);
        Task sampling = SampleAsync([.. callers, .. apps], done.Token);
        LoadReport report = await work(stop);
        await done.CancelAsync();
        await sampling;
        stop.ThrowIfCancellationRequested();
        await SettleAsync(callers, stop);

        Dictionary<string, InstanceCounts> instances = [];
        foreach (ProductsInstance instance in world.Instances)
        {
            instances[instance.Name] = await instance.CountsAsync(stop);
        }

        return new Measurement(
            report,
            await ReadAsync(callers, static mark => $"{mark.Sidecar.Name}: sidecar -> products", stop),
            await ReadAsync(apps, static mark => $"{mark.Sidecar.Name}: sidecar -> app", stop),
            instances,
            stock - await StockAsync(stop));
    }

    private static async Task<Mark> MarkAsync(Sidecar sidecar, string cluster, CancellationToken stop) =>
        new(sidecar, cluster, sidecar.Log.Length, await sidecar.CountersAsync(cluster, stop));

    private async Task SampleAsync(List<Mark> marks, CancellationToken stop)
    {
        try
        {
            while (true)
            {
                foreach (Mark mark in marks)
                {
                    mark.MostConnections = Math.Max(mark.MostConnections, (await mark.Sidecar.CountersAsync(mark.Cluster, stop))["upstream_cx_active"]);
                }

                await world.Waiting.PauseAsync(SampleEvery, stop);
            }
        }
        catch (OperationCanceledException)
        {
            // The run is over.
        }
    }

    // The load's last answer may arrive before the last line of a log.
    private async Task SettleAsync(List<Mark> marks, CancellationToken stop)
    {
        long before = -1;
        for (int i = 0; i < 10; i++)
        {
            long now = marks.Sum(static mark => mark.Sidecar.Log.Length);
            if (now == before)
            {
                return;
            }

            before = now;
            await world.Waiting.PauseAsync(Quiet, stop);
        }
    }

    // Product 2 is asked at the first instance only, past its sidecar: each instance has a stock of its own.
    private async Task<long> StockAsync(CancellationToken stop)
    {
        InstanceCounts counts = await world.Instances[0].CountsAsync(stop);
        return counts.Stock;
    }

    private static async Task<List<LayerNumbers>> ReadAsync(List<Mark> marks, Func<Mark, string> name, CancellationToken stop)
    {
        List<LayerNumbers> layers = [];
        foreach (Mark mark in marks)
        {
            ClusterCounters now = await mark.Sidecar.CountersAsync(mark.Cluster, stop);
            List<AccessLogEntry> log = [.. mark.Sidecar.Log.ReadFrom(mark.LogAt).Where(entry => entry.Cluster == mark.Cluster)];
            layers.Add(new LayerNumbers(name(mark), log, now.Since(mark.Counters), Math.Max(mark.MostConnections, now["upstream_cx_active"])));
        }

        return layers;
    }
}
