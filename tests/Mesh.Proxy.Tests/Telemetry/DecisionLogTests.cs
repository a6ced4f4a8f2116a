using System.Buffers;
using System.Text;
using Mesh.Proxy.Telemetry;
using Mesh.Rules.Snapshots;
using Xunit;

namespace Mesh.Proxy.Tests.Telemetry;

public sealed class DecisionLogTests
{
    private static readonly DateTimeOffset Start = new(2030, 1, 2, 3, 4, 5, TimeSpan.Zero);
    private static readonly DecisionRecord Overflow = new(DecisionReason.PendingOverflow, "default/a#spec.trafficPolicy.connectionPool", "http.http1MaxPendingRequests", 1, 1);

    private readonly DecisionLog _log = new();

    [Fact]
    public void Read_ById_GivesAllThatFellOnTheRequest()
    {
        Add(Overflow with { Verdict = DecisionVerdict.Retried }, "one", 1);
        Add(Overflow, "two", 2);
        Add(Overflow with { Verdict = DecisionVerdict.Shadow }, "one", 3);
        Add(Overflow, "one", 4);

        Assert.Equal([DecisionVerdict.Retried, DecisionVerdict.Shadow, DecisionVerdict.Refused], _log.Read("one").Select(static d => d.Decision.Verdict));
        Assert.Equal(4, _log.Read().Count);
        Assert.Empty(_log.Read("on"));
    }

    [Fact]
    public void Read_KeepsEveryFieldAndCutsTheQuery()
    {
        CircuitBreakerConfig limits = new(1, 2, 3, 4);
        _log.Add(Overflow, new DecidedRequest
        {
            At = Start,
            RequestId = "id"u8,
            Method = "POST"u8,
            Authority = "a.test:80"u8,
            Path = "/order?card=4711"u8,
            IsInbound = true,
            Cluster = "inbound|80||",
            Endpoint = "10.0.0.1:80",
            Status = 503,
            Flag = ResponseFlag.UO,
            Outcome = "not-sent",
            Attempts = 2,
            Taken = TimeSpan.FromMilliseconds(7),
            Breaker = "open",
            RetryAfterSeconds = 9,
            Fallback = "stale",
            Load = new ClusterLoad(1, 2, 3, 4, limits, 5),
        });

        LoggedDecision read = Assert.Single(_log.Read("id"));

        Assert.Equal(
            new LoggedDecision(Overflow, Start, "id", "POST", "a.test:80", "/order")
            {
                IsInbound = true,
                Cluster = "inbound|80||",
                Endpoint = "10.0.0.1:80",
                Status = 503,
                Flag = ResponseFlag.UO,
                Outcome = "not-sent",
                Attempts = 2,
                Taken = TimeSpan.FromMilliseconds(7),
                Breaker = "open",
                RetryAfterSeconds = 9,
                Fallback = "stale",
                Load = new ClusterLoad(1, 2, 3, 4, limits, 5),
            },
            read);
        Assert.Equal("pending_overflow", read.Reason);
    }

    [Fact]
    public void Add_LongTexts_KeepsTheirBeginnings_AndStillFindsThem()
    {
        string id = new('i', 100);
        byte[] other = Encoding.ASCII.GetBytes(new string('p', 200));
        _log.Add(Overflow, new DecidedRequest { RequestId = Encoding.ASCII.GetBytes(id), Method = other, Authority = other, Path = other, Outcome = "" });

        LoggedDecision read = Assert.Single(_log.Read(id));

        Assert.Equal((64, 16, 64, 96), (read.RequestId.Length, read.Method.Length, read.Authority.Length, read.Path.Length));
        Assert.All(read.Authority + read.Path, static c => Assert.Equal('p', c));
    }

    [Fact]
    public void Add_MoreThanItKeeps_DropsTheOldest_AndACrowdOfShadowsNoRefusal()
    {
        for (int i = 0; i < DecisionLog.Kept + 10; i++)
        {
            Add(Overflow, $"r{i}", i);
        }

        for (int i = 0; i < 5000; i++)
        {
            Add(Overflow with { Verdict = i % 2 == 0 ? DecisionVerdict.Shadow : DecisionVerdict.Waited }, "s", 10_000 + i);
        }

        IReadOnlyList<LoggedDecision> all = _log.Read();
        Assert.Equal(DecisionLog.Kept + DecisionLog.KeptRemarks, all.Count);
        Assert.Equal("r10", all[0].RequestId);
        Assert.Empty(_log.Read("r9"));
        Assert.Equal(DecisionLog.KeptRemarks, _log.Read("s").Count);
    }

    [Fact]
    public void Add_ASecondTime_AllocatesNothing()
    {
        Add(Overflow, "id", 0);
        Add(Overflow with { Verdict = DecisionVerdict.Shadow }, "id", 0);
        byte[] id = "id"u8.ToArray();
        long before = GC.GetAllocatedBytesForCurrentThread();
        for (int i = 0; i < 3000; i++)
        {
            _log.Add(Overflow, new DecidedRequest { RequestId = id, Path = id, Outcome = "unknown" });
            _log.Add(Overflow with { Verdict = DecisionVerdict.Shadow }, new DecidedRequest { RequestId = id, Path = id, Outcome = "unknown" });
        }

        Assert.Equal(0, GC.GetAllocatedBytesForCurrentThread() - before);
    }

    [Fact]
    public void Counters_TellKindsApart_AndAreBounded()
    {
        Add(Overflow, "a", 0);
        Add(Overflow, "b", 0);
        Add(Overflow with { Verdict = DecisionVerdict.Shadow }, "c", 0);
        Add(new DecisionRecord(DecisionReason.None) { Verdict = DecisionVerdict.Retried }, "d", 0);

        Assert.Equal(
            """
            # HELP mesh_decisions_total Decisions on requests, by reason, rule, field, scope and verdict
            # TYPE mesh_decisions_total counter
            mesh_decisions_total{reason="upstream_answer",rule="",field="",scope="sidecar",verdict="retried"} 1
            mesh_decisions_total{reason="pending_overflow",rule="default/a#spec.trafficPolicy.connectionPool",field="http.http1MaxPendingRequests",scope="sidecar",verdict="refused"} 2
            mesh_decisions_total{reason="pending_overflow",rule="default/a#spec.trafficPolicy.connectionPool",field="http.http1MaxPendingRequests",scope="sidecar",verdict="shadow"} 1

            """,
            Written());

        for (int i = 0; i < 2 * DecisionCounters.MaxSeries; i++)
        {
            Add(Overflow with { Rule = $"default/{i}" }, "e", 0);
        }

        Assert.InRange(_log.Counters.All.Count, DecisionCounters.MaxSeries, DecisionCounters.MaxSeries + 2);
        Assert.Equal(4 + (2 * DecisionCounters.MaxSeries), _log.Counters.All.Sum(static c => c.Count));
    }

    [Fact]
    public async Task Counters_MadeByManyThreadsAtOnce_CountEachSeriesOnce()
    {
        const int Threads = 4;
        using Barrier barrier = new(Threads);
        Thread[] threads = [.. Enumerable.Range(0, Threads).Select(_ => new Thread(AddAll))];
        Array.ForEach(threads, static t => t.Start());
        await Task.Run(() => Array.ForEach(threads, static t => t.Join())).WaitAsync(TimeSpan.FromSeconds(60));

        Assert.Equal(DecisionCounters.MaxSeries, _log.Counters.All.Count(static c => c.Rule.Length > 0));

        void AddAll()
        {
            for (int i = 0; i < DecisionCounters.MaxSeries; i++)
            {
                DecisionRecord decision = Overflow with { Rule = $"default/{i}" };
                barrier.SignalAndWait();
                _log.Counters.Add(decision);
            }

            barrier.SignalAndWait();
            for (int i = 0; i < DecisionCounters.MaxSeries; i++)
            {
                _log.Counters.Add(Overflow with { Rule = $"default/{i}" }); // one that lost a race for the last place gets it now
            }
        }
    }

    [Fact]
    public void Ring_CopyTo_MakesNoText()
    {
        DecisionRing ring = new(8);
        ring.Add(Overflow, new DecidedRequest { RequestId = "id"u8, Path = "/"u8, Outcome = "unknown" });
        List<DecisionRing.Slot> found = new(ring.Count + 1);
        byte[] id = DecisionRing.IdOf("id");
        ring.CopyTo(found, id);
        found.Clear();
        long before = GC.GetAllocatedBytesForCurrentThread();
        ring.CopyTo(found, id);

        Assert.Equal(0, GC.GetAllocatedBytesForCurrentThread() - before);
        Assert.Equal("id", DecisionRing.View(Assert.Single(found)).RequestId);
    }

    private string Written()
    {
        ArrayBufferWriter<byte> output = new();
        _log.Counters.Write(new PrometheusText(output));
        return Encoding.UTF8.GetString(output.WrittenSpan);
    }

    private void Add(DecisionRecord decision, string id, int milliseconds) =>
        _log.Add(decision, new DecidedRequest { At = Start.AddMilliseconds(milliseconds), RequestId = Encoding.ASCII.GetBytes(id), Outcome = "not-sent" });
}
