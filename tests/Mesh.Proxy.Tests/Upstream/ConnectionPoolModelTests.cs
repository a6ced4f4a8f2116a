using Mesh.Proxy.Upstream;
using Mesh.Rules.Snapshots;
using Mesh.Testing;
using Xunit;

namespace Mesh.Proxy.Tests.Upstream;

/// <summary>
/// Random histories, step by step against a naive reference that knows the algorithm only as rules over lists. After each step the two must
/// agree on every count and every request's fate, and the limits must hold.
/// </summary>
public sealed class ConnectionPoolModelTests
{
    private const int Steps = 400;

    [Theory]
    [InlineData(1)]
    [InlineData(2)]
    [InlineData(3)]
    [InlineData(5)]
    [InlineData(8)]
    [InlineData(13)]
    [InlineData(21)]
    [InlineData(34)]
    [InlineData(55)]
    [InlineData(89)]
    public async Task RandomHistory_AgreesWithTheReference(int seed)
    {
        History history = new(seed);
        for (int step = 0; step < Steps; step++)
        {
            string what = await history.StepAsync();
            history.Check($"seed {seed}, step {step}: {what}");
        }

        history.Harness.Dispose();
    }

    /// <summary>One history: the real cluster, the reference, and the dice.</summary>
    private sealed class History
    {
        private readonly Random _dice;
        private readonly Reference _reference = new();
        private readonly List<(Task<RentResult> Task, CancellationTokenSource Client, Request Model)> _rents = [];
        private readonly Dictionary<FakeConnect, Connection> _connects = [];

        public History(int seed)
        {
            _dice = new Random(seed);
            // Plain rotation from 0 over three endpoints: the reference can foretell each choice.
            Harness = new UpstreamHarness(
                static c => c.Limit(2, 2, 4) with { LoadBalancer = LoadBalancerPolicy.RoundRobin }, endpoints: 3, new ScriptedRandom());
        }

        public UpstreamHarness Harness { get; }

        public async Task<string> StepAsync()
        {
            string what = _dice.Next(10) switch
            {
                < 4 => Rent(),
                < 6 => await ReleaseAsync(),
                < 7 => Connect(success: true),
                < 8 => Connect(success: _dice.Next(3) > 0),
                < 9 => Cancel(),
                _ => ChangeLimits(),
            };
            LinkNewConnects();
            foreach ((Task<RentResult> task, _, Request model) in _rents)
            {
                if (model.Fate is not null)
                {
                    await UpstreamHarness.Soon(task); // a request whose fate is decided is answered: none is forgotten
                }
            }

            return what;
        }

        public void Check(string where)
        {
            foreach ((Task<RentResult> task, _, Request model) in _rents)
            {
                Assert.True(task.IsCompleted == model.Fate is not null, $"{where}: expected {model.Fate?.ToString() ?? "waiting"}");
                if (task.IsCompletedSuccessfully)
                {
                    Assert.True(task.Result.Status == model.Fate, $"{where}: {task.Result.Status} instead of {model.Fate}");
                }
            }

            Assert.True(Harness.Stats.CxActive.Value == _reference.Connections, $"{where}: connections {Harness.Stats.CxActive.Value}, not {_reference.Connections}");
            Assert.True(Harness.Stats.RqPendingActive.Value == _reference.PendingCount, $"{where}: pending");
            Assert.True(Harness.Stats.RqActive.Value == _reference.Active, $"{where}: active");
            Assert.True(_reference.Connections <= Math.Max(_reference.HighestMax, 1) + 2, $"{where}: too many connections");
        }

        private string Rent()
        {
            CancellationTokenSource client = new();
            Request model = _reference.Rent();
            _rents.Add((Harness.Rent(client.Token), client, model));
            return "rent";
        }

        private async Task<string> ReleaseAsync()
        {
            var running = _rents.Where(static r => r.Model.Fate == RentStatus.Ok && !r.Model.IsReleased).ToList();
            if (running.Count == 0)
            {
                return "nothing to release";
            }

            (Task<RentResult> task, _, Request model) = running[_dice.Next(running.Count)];
            bool reusable = _dice.Next(4) > 0;
            UpstreamConnection connection = (await task).Connection!;
            _reference.Release(model, reusable);
            connection.Release(reusable);
            return $"release, reusable {reusable}";
        }

        private string Connect(bool success)
        {
            IReadOnlyList<FakeConnect> open = Harness.Connector.Open;
            if (open.Count == 0)
            {
                return "nothing connects";
            }

            FakeConnect connect = open[_dice.Next(open.Count)];
            Connection model = _connects[connect];
            if (success)
            {
                _reference.Connected(model);
                connect.Succeed();
            }
            else
            {
                Reference.ConnectFailed(model);
                connect.Fail();
            }

            return $"connect, success {success}";
        }

        private string Cancel()
        {
            var waiting = _rents.Where(static r => r.Model.Fate is null).ToList();
            if (waiting.Count == 0)
            {
                return "nobody to cancel";
            }

            (_, CancellationTokenSource client, Request model) = waiting[_dice.Next(waiting.Count)];
            _reference.Cancel(model);
            client.Cancel();
            return "cancel";
        }

        private string ChangeLimits()
        {
            (uint connections, uint pending, uint requests) = ((uint)_dice.Next(1, 5), (uint)_dice.Next(1, 5), (uint)_dice.Next(1, 8));
            _reference.ChangeLimits((int)connections, (int)pending, (int)requests);
            Harness.Configure(c => c.Limit(connections, pending, requests));
            return $"limits {connections} {pending} {requests}";
        }

        /// <summary>Pairs connects the cluster has started with those the reference has, by endpoint and age.</summary>
        private void LinkNewConnects()
        {
            foreach (FakeConnect connect in Harness.Connector.Started)
            {
                if (!_connects.ContainsKey(connect))
                {
                    Connection? model = _reference.Opened.FirstOrDefault(c => c.Address == connect.Address && !_connects.ContainsValue(c));
                    Assert.NotNull(model);
                    _connects.Add(connect, model);
                }
            }

            Assert.Equal(_reference.Opened.Count, _connects.Count);
        }
    }

    private sealed class Request
    {
        public RentStatus? Fate { get; set; }

        public bool IsReleased { get; set; }

        public Connection? Connection { get; set; }

        public required Pool Pool { get; init; }
    }

    private sealed class Connection
    {
        public required string Address { get; init; }

        public required Pool Pool { get; init; }
    }

    private sealed class Pool(string address)
    {
        public string Address => address;

        public List<Connection> Connecting { get; } = [];

        public List<Connection> Ready { get; } = [];

        public List<Connection> Busy { get; } = [];

        public List<Request> Waiting { get; } = [];

        public int Count => Connecting.Count + Ready.Count + Busy.Count;
    }

    /// <summary>Semantics 2.3 to 2.6 written down once more, as plainly as possible.</summary>
    private sealed class Reference
    {
        private readonly Pool[] _pools = [new("10.0.0.1:80"), new("10.0.0.2:80"), new("10.0.0.3:80")];
        private int _turn;
        private int _maxConnections = 2;
        private int _maxPending = 2;
        private int _maxRequests = 4;

        public List<Connection> Opened { get; } = [];

        public int HighestMax { get; private set; } = 2;

        public int Connections => _pools.Sum(static p => p.Count);

        public int PendingCount => _pools.Sum(static p => p.Waiting.Count);

        public int Active => _pools.Sum(static p => p.Busy.Count);

        public Request Rent()
        {
            Pool pool = _pools[_turn++ % _pools.Length];
            Request request = new() { Pool = pool };
            if (pool.Ready.Count > 0)
            {
                Attach(request, pool.Ready[^1]);
            }
            else if (PendingCount >= _maxPending)
            {
                request.Fate = RentStatus.Overflow;
            }
            else
            {
                pool.Waiting.Add(request);
                Open(pool);
            }

            return request;
        }

        public void Release(Request request, bool reusable)
        {
            request.IsReleased = true;
            Connection connection = request.Connection!;
            request.Pool.Busy.Remove(connection);
            if (reusable)
            {
                request.Pool.Ready.Add(connection);
                Serve(request.Pool);
            }
            else
            {
                Open(request.Pool);
            }
        }

        public void Connected(Connection connection)
        {
            connection.Pool.Connecting.Remove(connection);
            connection.Pool.Ready.Add(connection);
            Serve(connection.Pool);
        }

        public static void ConnectFailed(Connection connection)
        {
            connection.Pool.Connecting.Remove(connection);
            connection.Pool.Waiting.ForEach(static r => r.Fate = RentStatus.ConnectFailure);
            connection.Pool.Waiting.Clear();
        }

        public void Cancel(Request request)
        {
            Pool pool = request.Pool;
            request.Fate = RentStatus.Cancelled;
            pool.Waiting.Remove(request);
            if (pool.Connecting.Count - 1 >= pool.Waiting.Count)
            {
                pool.Connecting.RemoveAt(pool.Connecting.Count - 1);
                Open(pool);
            }
        }

        public void ChangeLimits(int connections, int pending, int requests)
        {
            (_maxConnections, _maxPending, _maxRequests) = (connections, pending, requests);
            HighestMax = Math.Max(HighestMax, connections);
            foreach (Pool pool in _pools)
            {
                Open(pool);
            }
        }

        private void Serve(Pool pool)
        {
            while (pool.Waiting.Count > 0 && pool.Ready.Count > 0)
            {
                Request oldest = pool.Waiting[0];
                pool.Waiting.RemoveAt(0);
                Attach(oldest, pool.Ready[^1]);
            }

            Open(pool);
        }

        private void Attach(Request request, Connection connection)
        {
            if (Active >= _maxRequests)
            {
                request.Fate = RentStatus.Overflow;
                return;
            }

            request.Fate = RentStatus.Ok;
            request.Connection = connection;
            request.Pool.Ready.Remove(connection);
            request.Pool.Busy.Add(connection);
        }

        private void Open(Pool pool)
        {
            for (int i = 0; i < 3 && pool.Waiting.Count > pool.Connecting.Count; i++)
            {
                if (Connections >= _maxConnections && pool.Count > 0)
                {
                    return;
                }

                Connection connection = new() { Address = pool.Address, Pool = pool };
                pool.Connecting.Add(connection);
                Opened.Add(connection);
            }
        }
    }
}
