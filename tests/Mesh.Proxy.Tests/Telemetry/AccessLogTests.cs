using System.Text;
using Mesh.Proxy.Telemetry;
using Mesh.Rules.Snapshots;
using Xunit;

namespace Mesh.Proxy.Tests.Telemetry;

public sealed class AccessLogTests
{
    private static readonly DateTimeOffset Start = new(2030, 1, 2, 3, 4, 5, 678, TimeSpan.Zero);

    [Fact]
    public void Text_OfAnAnswer_IsIstiosLine() => Assert.Equal(
        "[2030-01-02T03:04:05.678Z] \"POST /orders?x=1 HTTP/1.1\" 201 - via_upstream - \"-\" 12 34 56 55 \"10.0.0.9\" \"curl/8\" \"id-1\" \"orders:8080\" "
        + "\"10.0.0.1:15006\" outbound|8080||orders.default.svc.cluster.local 10.0.0.2:5 127.0.0.1:15001 127.0.0.1:6 - orders.default.svc.cluster.local:8080\n",
        Format(Answered(), AccessLogFormat.Text));

    [Fact]
    public void Text_OfARefusal_HasFlagAndDashes() => Assert.Equal(
        "[2030-01-02T03:04:05.678Z] \"GET / HTTP/1.1\" 503 UO upstream_reset_before_response_started{overflow} - \"-\" 0 81 0 - \"-\" \"-\" \"-\" \"products:8080\" "
        + "\"-\" outbound|8080||products - 127.0.0.1:15001 127.0.0.1:6 - -\n",
        Format(Refused(), AccessLogFormat.Text));

    [Fact]
    public void Text_WithControlCharacters_StaysOneLine()
    {
        RequestRecord record = Refused();
        record.UserAgent = "a\r\nb";

        string line = Format(record, AccessLogFormat.Text);

        Assert.Contains("\"a\\x0D\\x0Ab\"", line, StringComparison.Ordinal);
        Assert.Equal(1, line.Count(static c => c == '\n'));
    }

    [Fact]
    public void Json_OfARefusal_HasIstiosKeysAndOurs() => Assert.Equal(
        """
        {"start_time":"2030-01-02T03:04:05.678Z","method":"GET","path":"/","protocol":"HTTP/1.1","response_code":503,"response_flags":"UO","response_code_details":"upstream_reset_before_response_started{overflow}","connection_termination_details":null,"upstream_transport_failure_reason":null,"bytes_received":0,"bytes_sent":81,"duration":0,"upstream_service_time":null,"x_forwarded_for":null,"user_agent":null,"request_id":null,"authority":"products:8080","upstream_host":null,"upstream_cluster":"outbound|8080||products","upstream_local_address":null,"downstream_local_address":"127.0.0.1:15001","downstream_remote_address":"127.0.0.1:6","requested_server_name":null,"route_name":null,"mesh_reason":"pending_overflow","mesh_verdict":"refused","mesh_rule":"default/products#spec","mesh_field":"http.http1MaxPendingRequests","mesh_limit":1,"mesh_now":1,"mesh_scope":"sidecar","connect_ms":null,"queue_ms":null,"ttfb_ms":null,"total_ms":0.25,"attempts":0,"retried_on":null}

        """,
        Format(Refused(), AccessLogFormat.Json));

    [Fact]
    public void Json_OfAnAnswer_HasTimesAsNumbers()
    {
        string line = Format(Answered(), AccessLogFormat.Json);

        Assert.Contains("\"duration\":56,\"upstream_service_time\":55,", line, StringComparison.Ordinal);
        Assert.Contains("\"mesh_reason\":null,\"connect_ms\":1.5,\"queue_ms\":2,\"ttfb_ms\":56.1,\"total_ms\":56.789,\"attempts\":3,\"retried_on\":\"5xx,connect_failure\"}", line, StringComparison.Ordinal);
    }

    /// <summary>Who only waited, or met a rule in shadow mode, was not refused: whoever counts mesh_reason must not count it.</summary>
    [Fact]
    public void Json_OfAnAnswerAfterAWait_SaysSoApartFromRefusals()
    {
        RequestRecord record = Answered();
        record.Remark(new DecisionRecord(DecisionReason.ConcurrencyOverflow, "default/rp#spec", "concurrency.maxConcurrentCalls", 2) { Verdict = DecisionVerdict.Waited });
        record.Remark(new DecisionRecord(DecisionReason.RateLimited, "default/rl#spec", "tokens", 5, 0) { Verdict = DecisionVerdict.Shadow, Scope = DecisionScope.Mesh });
        record.Remark(new DecisionRecord(DecisionReason.CircuitOpen) { Verdict = DecisionVerdict.Shadow }); // of each kind the first

        string line = Format(record, AccessLogFormat.Json);

        Assert.Contains(
            "\"mesh_reason\":null,"
            + "\"mesh_waited\":{\"reason\":\"concurrency_overflow\",\"rule\":\"default/rp#spec\",\"field\":\"concurrency.maxConcurrentCalls\",\"limit\":2,\"now\":null,\"scope\":\"sidecar\"},"
            + "\"mesh_shadow\":{\"reason\":\"rate_limited\",\"rule\":\"default/rl#spec\",\"field\":\"tokens\",\"limit\":5,\"now\":0,\"scope\":\"mesh\"},\"connect_ms\"",
            line, StringComparison.Ordinal);
    }

    [Fact]
    public void EveryReason_HasASnakeCaseWord() => Assert.All(
        Enum.GetValues<DecisionReason>(), static reason => Assert.Matches("^[a-z]+(_[a-z]+)*$", reason.ToText()));

    [Theory]
    [InlineData(ResponseFlag.None, ResponseFlag.None, "-")]
    [InlineData(ResponseFlag.UF, ResponseFlag.URX, "UF,URX")]
    [InlineData(ResponseFlag.UO, ResponseFlag.UO, "UO")]
    public void Flags_KeepTheirOrderAndHaveNoDuplicates(ResponseFlag first, ResponseFlag second, string text) =>
        Assert.Equal(text, ResponseFlagText.ToText(first, second));

    [Fact]
    public async Task Log_WritesLinesInOrder()
    {
        MemoryStream output = new();
        await using (AccessLog log = new(output, AccessLogFormat.Text))
        {
            log.OnFinished(Answered());
            log.OnFinished(Refused());
        }

        string[] lines = Encoding.UTF8.GetString(output.ToArray()).Split('\n', StringSplitOptions.RemoveEmptyEntries);
        Assert.Equal(2, lines.Length);
        Assert.Contains(" 201 ", lines[0], StringComparison.Ordinal);
    }

    [Fact]
    public async Task Log_WhenTheOutputHangs_DropsAndCounts()
    {
        HangingStream output = new();
        AccessLog log = new(output, AccessLogFormat.Text, capacity: 1);
        log.OnFinished(Refused());
        await output.Writing.Task.WaitAsync(TimeSpan.FromSeconds(10));
        log.OnFinished(Refused());
        log.OnFinished(Refused());

        Assert.Equal(1, log.Dropped.Value);
        output.Free.SetResult();
        await log.DisposeAsync();
    }

    private static RequestRecord Answered() => new()
    {
        StartTime = Start,
        Method = "POST",
        Path = "/orders?x=1",
        Protocol = "HTTP/1.1",
        ResponseCode = 201,
        Details = "via_upstream",
        BytesReceived = 12,
        BytesSent = 34,
        Duration = TimeSpan.FromMilliseconds(56.789),
        UpstreamServiceTime = TimeSpan.FromMilliseconds(55.9),
        ConnectTime = TimeSpan.FromMilliseconds(1.5),
        QueueTime = TimeSpan.FromMilliseconds(2),
        TimeToFirstByte = TimeSpan.FromMilliseconds(56.1),
        Attempts = 3,
        RetriedOn = RetryConditions.ServerError | RetryConditions.ConnectFailure,
        ForwardedFor = "10.0.0.9",
        UserAgent = "curl/8",
        RequestId = "id-1",
        Authority = "orders:8080",
        UpstreamHost = "10.0.0.1:15006",
        UpstreamCluster = "outbound|8080||orders.default.svc.cluster.local",
        UpstreamLocalAddress = "10.0.0.2:5",
        DownstreamLocalAddress = "127.0.0.1:15001",
        DownstreamRemoteAddress = "127.0.0.1:6",
        RouteName = "orders.default.svc.cluster.local:8080",
    };

    private static RequestRecord Refused() => new()
    {
        StartTime = Start,
        Method = "GET",
        Path = "/",
        Protocol = "HTTP/1.1",
        ResponseCode = 503,
        Flag = ResponseFlag.UO,
        Details = "upstream_reset_before_response_started{overflow}",
        Decision = new DecisionRecord(DecisionReason.PendingOverflow, "default/products#spec", "http.http1MaxPendingRequests", 1, 1),
        BytesSent = 81,
        Duration = TimeSpan.FromMilliseconds(0.25),
        Authority = "products:8080",
        UpstreamCluster = "outbound|8080||products",
        DownstreamLocalAddress = "127.0.0.1:15001",
        DownstreamRemoteAddress = "127.0.0.1:6",
    };

    private static string Format(RequestRecord record, AccessLogFormat format) => Encoding.UTF8.GetString(AccessLogLine.Format(record, format).Span);

    private sealed class HangingStream : MemoryStream
    {
        public TaskCompletionSource Writing { get; } = new(TaskCreationOptions.RunContinuationsAsynchronously);

        public TaskCompletionSource Free { get; } = new(TaskCreationOptions.RunContinuationsAsynchronously);

        public override async ValueTask WriteAsync(ReadOnlyMemory<byte> buffer, CancellationToken cancellationToken = default)
        {
            Writing.TrySetResult();
            await Free.Task;
        }
    }
}
