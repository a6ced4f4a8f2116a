using System.Net;
using System.Net.Http.Headers;
using System.Text;
using System.Text.Json.Nodes;
using System.Threading.Channels;
using Mesh.ControlPlane.Coordination;
using Mesh.ControlPlane.Otlp;
using Mesh.Rules.Wire;
using Mesh.Testing;
using Microsoft.Extensions.Logging.Abstractions;
using Xunit;

namespace Mesh.ControlPlane.Tests.Otlp;

public sealed class OtlpExporterTests : IAsyncDisposable
{
    private readonly FakeTimeProvider _time = new();
    private readonly Collector _collector = new();
    private readonly CancellationTokenSource _stop = new();
    private readonly HttpMessageInvoker _http;
    private readonly OtlpExporter _exporter;
    private readonly Task _running;
    private IReadOnlyList<CircuitFigures> _figures = [new("CircuitBreaker/default/cb", "outbound|80||a", CircuitState.Open, [new CallerFigures("s1", null, new CallCounts(3, 2, 1))])];

    public OtlpExporterTests()
    {
        _http = new HttpMessageInvoker(_collector);
        _exporter = new OtlpExporter(new Uri("http://collector:4318/"), () => _figures, _http, _time, "0.1.0", NullLogger<OtlpExporter>.Instance);
        _running = _exporter.RunAsync(_stop.Token);
    }

    public async ValueTask DisposeAsync()
    {
        await _stop.CancelAsync();
        await _running.WaitAsync(TimeSpan.FromSeconds(10));
        _http.Dispose();
        _collector.Dispose();
        _stop.Dispose();
    }

    [Fact]
    public async Task Run_SendsTheFiguresEachInterval()
    {
        (string first, string type, JsonNode body) = await NextAsync(OtlpExporter.Interval);
        await NextAsync(OtlpExporter.Interval);

        Assert.Equal(("POST http://collector:4318/v1/metrics", "application/json"), (first, type));
        Assert.Equal("3", (string)body["resourceMetrics"]![0]!["scopeMetrics"]![0]!["metrics"]![0]!["sum"]!["dataPoints"]![0]!["asInt"]!);
        await Eventually.HoldsAsync(() => _exporter.Sent == 2, "the loop goes on");
        StringBuilder page = new();
        _exporter.Write(page);
        Assert.Contains("mesh_otlp_messages_total{result=\"sent\"} 2\n", page.ToString(), StringComparison.Ordinal);
    }

    [Fact]
    public async Task Run_AfterFailures_PausesLonger_AndComesBack()
    {
        _collector.Answer = static () => new HttpResponseMessage(HttpStatusCode.ServiceUnavailable);
        await NextAsync(OtlpExporter.Interval);
        await Eventually.HoldsAsync(() => _exporter.Failed == 1, "the loop goes on");
        _collector.Answer = static () => throw new HttpRequestException("Connection refused");

        await AdvanceAsync(OtlpExporter.Interval);
        Assert.Equal(1, _collector.Count); // the pause has doubled
        await NextAsync(OtlpExporter.Interval);
        await Eventually.HoldsAsync(() => _exporter.Failed == 2, "the loop goes on");
        _collector.Answer = static () => new HttpResponseMessage(HttpStatusCode.OK);
        await NextAsync(4 * OtlpExporter.Interval);
        await Eventually.HoldsAsync(() => _exporter.Sent == 1, "the loop goes on");
        await NextAsync(OtlpExporter.Interval);
    }

    [Fact]
    public async Task Run_ACollectorThatAsksForTime_GetsIt()
    {
        _collector.Answer = static () =>
        {
            HttpResponseMessage busy = new(HttpStatusCode.TooManyRequests);
            busy.Headers.RetryAfter = new RetryConditionHeaderValue(TimeSpan.FromMinutes(2));
            return busy;
        };
        await NextAsync(OtlpExporter.Interval);
        await Eventually.HoldsAsync(() => _exporter.Failed == 1, "the loop goes on");

        await AdvanceAsync(TimeSpan.FromSeconds(119));

        Assert.Equal(1, _collector.Count);
        await NextAsync(TimeSpan.FromSeconds(1));
    }

    [Fact]
    public async Task Run_WithoutCircuits_SendsNothing()
    {
        _figures = [];
        await AdvanceAsync(OtlpExporter.Interval);
        await Eventually.HoldsAsync(() => _time.ArmedTimers > 0, "the loop goes on");

        Assert.Equal(0, _collector.Count);
    }

    private async Task<(string Line, string Type, JsonNode Body)> NextAsync(TimeSpan after)
    {
        await AdvanceAsync(after);
        return await _collector.Requests.ReadAsync().AsTask().WaitAsync(TimeSpan.FromSeconds(10));
    }

    // The loop must be waiting, not sending, or its pause begins after the time it is to wait for.
    private async Task AdvanceAsync(TimeSpan time)
    {
        await Eventually.HoldsAsync(() => _exporter.Sent + _exporter.Failed == _collector.Count && _time.ArmedTimers == 1, "the loop goes on");
        _time.Advance(time);
    }

    private sealed class Collector : HttpMessageHandler
    {
        private readonly Channel<(string, string, JsonNode)> _requests = Channel.CreateUnbounded<(string, string, JsonNode)>();
        private int _count;

        public Func<HttpResponseMessage> Answer { get; set; } = static () => new HttpResponseMessage(HttpStatusCode.OK);

        public int Count => Volatile.Read(ref _count);

        public ChannelReader<(string, string, JsonNode)> Requests => _requests.Reader;

        protected override async Task<HttpResponseMessage> SendAsync(HttpRequestMessage request, CancellationToken cancellationToken)
        {
            JsonNode body = JsonNode.Parse(await request.Content!.ReadAsByteArrayAsync(cancellationToken))!;
            Interlocked.Increment(ref _count);
            _requests.Writer.TryWrite(($"{request.Method} {request.RequestUri!.AbsoluteUri}", request.Content.Headers.ContentType!.ToString(), body));
            return Answer();
        }
    }
}
