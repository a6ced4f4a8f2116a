using System.Collections.Immutable;
using System.Net;
using System.Net.Sockets;
using System.Runtime.InteropServices;
using Mesh.Proxy.Config;
using Mesh.Proxy.Hosting;
using Mesh.Proxy.Infrastructure;
using Mesh.Proxy.Telemetry;
using Mesh.Proxy.Transport;
using Mesh.Rules.Snapshots;
using Mesh.Rules.Wire;
using Microsoft.Extensions.Logging.Abstractions;
using Xunit;
using Xunit.Abstractions;

namespace Mesh.Proxy.Tests.Component;

/// <summary>
/// Managed bytes for one keep-alive request over the whole path on an event loop, with metrics, outlier detection and limits on. Client and upstream are blocking
/// sockets on threads of their own, which allocate nothing. Zero is the number: the bound leaves room for what the test runner does meanwhile.
/// </summary>
[Collection(nameof(AllocationTests))]
[CollectionDefinition(nameof(AllocationTests), DisableParallelization = true)]
public sealed class AllocationTests(ITestOutputHelper output)
{
    private const int Connections = 8;
    private const int Rounds = 1000;
    private const int Batches = 3; // the runner's own messages fall into one of them; what a request costs is in each
    private const double MaxBytesPerRequest = 2;
    private const string Name = "outbound|80||a.test";

    public static TheoryData<string, string> Shapes => new()
    {
        { "GET / HTTP/1.1\r\nHost: a.test\r\n\r\n", "HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok" },
        { "POST / HTTP/1.1\r\nHost: a.test\r\nContent-Length: 5\r\n\r\n|hello", "HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\n|ok" },
        {
            "POST / HTTP/1.1\r\nHost: a.test\r\nTransfer-Encoding: chunked\r\n\r\n|3\r\nabc\r\n|0\r\n\r\n",
            "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n|3\r\nabc\r\n|0\r\n\r\n"
        },
    };

    [Theory]
    [MemberData(nameof(Shapes))]
    public Task KeepAliveRequest_InSteadyState_AllocatesNothing(string request, string answer) => HoldAsync(request, answer);

    [Theory]
    [MemberData(nameof(Shapes))]
    public Task RequestWithRetriesAndTimeouts_InSteadyState_AllocatesNothing(string request, string answer) => HoldAsync(request, answer, new HttpRouteConfig
    {
        Name = "all",
        Clusters = [new WeightedClusterConfig(Name)],
        Timeout = TimeSpan.FromSeconds(30),
        Retry = new RetryConfig { Conditions = RetryConditions.GatewayError | RetryConditions.GrpcUnavailable, PerTryTimeout = TimeSpan.FromSeconds(10) },
    });

    [Theory]
    [MemberData(nameof(Shapes))]
    public Task RequestPastFiftyRoutes_InSteadyState_AllocatesNothing(string request, string answer) => HoldAsync(request, answer,
    [
        .. Enumerable.Range(0, 50).Select(static i => new HttpRouteConfig
        {
            Name = $"r{i}",
            Matches = [new HttpMatchConfig { Path = new(i == 25 ? StringMatchKind.Regex : StringMatchKind.Prefix, $"/v{i}/"), Headers = [new NamedMatch("x-canary", new(StringMatchKind.Exact, "yes"))] }],
            Clusters = [new WeightedClusterConfig("outbound|80|other|a.test")],
        }),
        new HttpRouteConfig { Name = "all", Clusters = [new WeightedClusterConfig(Name, 90), new WeightedClusterConfig(Name, 10)] },
    ]);

    [Theory]
    [MemberData(nameof(Shapes))]
    public Task RequestWithHeaderChanges_InSteadyState_AllocatesNothing(string request, string answer) => HoldAsync(request, answer, new HttpRouteConfig
    {
        Name = "all",
        Clusters = [new WeightedClusterConfig(Name)],
        RequestHeaders = new HeaderChanges([KeyValuePair.Create("x-route", "all")], [KeyValuePair.Create("x-more", "1")], ["x-debug"]),
        ResponseHeaders = new HeaderChanges([KeyValuePair.Create("x-by", "mesh")], [], ["server"]),
    });

    [Theory]
    [InlineData(RateLimitKeySource.None)]
    [InlineData(RateLimitKeySource.Header)]
    [InlineData(RateLimitKeySource.Cookie)]
    [InlineData(RateLimitKeySource.Path)]
    [InlineData(RateLimitKeySource.ClientIp)]
    public Task RequestUnderARateLimit_InSteadyState_AllocatesNothing(RateLimitKeySource key) => HoldAsync(
        "GET / HTTP/1.1\r\nHost: a.test\r\nCookie: a=1; host=b\r\n\r\n",
        "HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok",
        [],
        new RateLimitConfig { Tokens = RateLimitConfig.MostTokens, Burst = RateLimitConfig.MostTokens, KeySource = key, KeyName = "host", Paths = ["/"], ExemptPaths = ["/no/*"], Headers = [new NamedMatch("cookie", new(StringMatchKind.Present, ""))], MaxWait = TimeSpan.FromSeconds(1), MaxQueue = 10 });

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public Task RequestToEndpointsWithABreakerEach_InSteadyState_AllocatesNothing(bool isRecovering) => HoldAsync(
        "GET / HTTP/1.1\r\nHost: a.test\r\n\r\n",
        "HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok",
        [],
        breaker: new BreakerConfig { IsPerEndpoint = true, Recovery = isRecovering ? TimeSpan.FromHours(1) : TimeSpan.Zero });

    private Task HoldAsync(string request, string answer, params ImmutableArray<HttpRouteConfig> routes) => HoldAsync(request, answer, routes, null);

    private async Task HoldAsync(string request, string answer, ImmutableArray<HttpRouteConfig> routes, RateLimitConfig? limit = null, BreakerConfig? breaker = null)
    {
        if (!OperatingSystem.IsLinux())
        {
            return; // Kestrel's sockets carry the connections there; what they allocate is theirs
        }

        using TcpListener upstream = new(IPAddress.Loopback, 0);
        upstream.Start();
        await using ProxyHost host = await StartAsync(upstream.LocalEndpoint.ToString()!, routes, limit, breaker);
        byte[][] requestPieces = Pieces(request);
        byte[][] answerPieces = Pieces(answer);
        using CountdownEvent allAtOnce = new(Connections); // the first answers wait for each other: every connection has had all it needs when it counts
        Thread serving = new(() => Accept(upstream, answerPieces, allAtOnce)) { IsBackground = true };
        serving.Start();
        Socket[] clients = [.. Enumerable.Range(0, Connections).Select(_ => Connect(host.Outbound!))];
        byte[] buffer = new byte[4096];
        byte[] end = System.Text.Encoding.ASCII.GetBytes(answer.Replace("|", "", StringComparison.Ordinal)[^5..]);

        Run(Rounds);
        double perRequest = double.MaxValue;
        for (int i = 0; i < Batches; i++)
        {
            long before = GC.GetTotalAllocatedBytes(precise: true);
            Run(Rounds);
            perRequest = Math.Min(perRequest, (GC.GetTotalAllocatedBytes(precise: true) - before) / (double)(Rounds * Connections));
        }

        output.WriteLine($"{perRequest:0.00} bytes per request on {RuntimeInformation.FrameworkDescription}");
        Assert.InRange(perRequest, 0, MaxBytesPerRequest);
        Array.ForEach(clients, static c => c.Dispose());

        void Run(int rounds)
        {
            for (int round = 0; round < rounds; round++)
            {
                foreach (byte[] piece in requestPieces)
                {
                    foreach (Socket client in clients)
                    {
                        client.Send(piece);
                    }
                }

                foreach (Socket client in clients)
                {
                    ReceiveUntil(client, buffer, end);
                }
            }
        }
    }

    private static async Task<ProxyHost> StartAsync(string upstream, ImmutableArray<HttpRouteConfig> routes, RateLimitConfig? limit, BreakerConfig? breaker)
    {
        ProxyStats stats = new();
        ProxyOptions options = new() { Outbound = new IPEndPoint(IPAddress.Loopback, 0), Concurrency = 1, Transport = TransportKind.Epoll };
        ProxyHost host = new(
            new ProxyRuntime(TimeProvider.System, new Random(1), NullLoggerFactory.Instance), options, stats, new StandardMetrics(new WorkloadLabels("a", "default", "v1"), "1.0"), static _ => { });
        await host.StartAsync(CancellationToken.None);
        ClusterConfig config = new()
        {
            Name = Name,
            ServiceHost = "a.test",
            Port = 80,
            Outlier = new OutlierConfig(),
            RateLimits = limit is null ? null : new RateLimitConfigs([limit, limit with { Source = "all", KeySource = RateLimitKeySource.None, IsMesh = false }]),
            TransactionId = limit is null ? null : new TransactionIdConfig("X-Tran-Id"),
            AsyncReply = limit is null ? null : new AsyncReplyConfig(),
            Breaker = breaker ?? new BreakerConfig { ExemptPaths = ["/never", "/no/*"], IsMesh = limit is not null, Rule = "r" },
            Concurrency = new ConcurrencyConfig { MaxCalls = 100, MaxWait = TimeSpan.FromSeconds(1), MaxQueue = 10, Adaptive = limit is null ? null : new AdaptiveConcurrencyConfig() },
            Fallback = new FallbackConfig { Codes = [503], LastGood = new LastGoodConfig { Vary = ["accept-language"] } }, // keeps a copy a second
            WriteTimeout = routes.IsEmpty ? TimeSpan.Zero : routes[^1].Timeout,
            PendingTimeout = routes.IsEmpty ? TimeSpan.Zero : routes[^1].Timeout,
            Limits = new CircuitBreakerConfig { MaxConnections = 100, MaxPendingRequests = 100, MaxRequests = 100 },
        };
        ApplyResult result = await host.Applier.ApplyAsync(ProxySnapshot.Empty with
        {
            Version = "v",
            Clusters = ImmutableDictionary<string, ClusterConfig>.Empty.Add(Name, config),
            Endpoints = ImmutableDictionary<string, ImmutableArray<EndpointConfig>>.Empty.Add(Name, [new EndpointConfig(upstream)]),
            Routes = new RouteConfig([new VirtualHostConfig("a.test:80", 80, ["a.test"], Name) { Routes = routes }]),
        });
        Assert.True(result.IsAccepted);
        host.Clusters.Find(Name)!.Follow(new CircuitOrder("r", Name, CircuitState.Closed, 1, int.MaxValue, 0, 0, "", 0, 0));
        return host;
    }

    private static byte[][] Pieces(string message) => [.. message.Split('|').Select(System.Text.Encoding.ASCII.GetBytes)];

    private static Socket Connect(IPEndPoint address)
    {
        Socket socket = new(AddressFamily.InterNetwork, SocketType.Stream, ProtocolType.Tcp) { NoDelay = true };
        socket.Connect(address);
        return socket;
    }

    private static void Accept(TcpListener upstream, byte[][] answer, CountdownEvent allAtOnce)
    {
        for (int i = 0; i < Connections; i++)
        {
            Socket server = upstream.AcceptSocket();
            server.NoDelay = true;
            new Thread(() => Serve(server, answer, allAtOnce)) { IsBackground = true }.Start();
        }
    }

    // A request has ended where its head or its last chunk does, or with its one known body.
    private static void Serve(Socket server, byte[][] answer, CountdownEvent allAtOnce)
    {
        byte[] buffer = new byte[4096];
        int length = 0;
        bool isFirst = true;
        while (server.Receive(buffer, length, buffer.Length - length, SocketFlags.None, out SocketError error) is > 0 and int read && error == SocketError.Success)
        {
            length += read;
            ReadOnlySpan<byte> soFar = buffer.AsSpan(0, length);
            bool isGet = soFar[0] == 'G';
            if ((isGet && soFar.EndsWith("\r\n\r\n"u8)) || (!isGet && (soFar.EndsWith("hello"u8) || soFar.EndsWith("\r\n0\r\n\r\n"u8))))
            {
                length = 0;
                if (isFirst)
                {
                    isFirst = false;
                    allAtOnce.Signal();
                    allAtOnce.Wait();
                }

                foreach (byte[] piece in answer)
                {
                    server.Send(piece);
                }
            }
        }
    }

    private static void ReceiveUntil(Socket client, byte[] buffer, byte[] end)
    {
        int length = 0;
        while (length < end.Length || !buffer.AsSpan(0, length).EndsWith(end))
        {
            int read = client.Receive(buffer.AsSpan(length));
            if (read == 0)
            {
                throw new IOException("the proxy closed the connection");
            }

            length += read;
        }
    }
}
