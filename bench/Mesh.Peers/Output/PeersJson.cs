using System.Text.Json;
using Mesh.Peers.Measuring;
using Mesh.Peers.Processes;

namespace Mesh.Peers.Output;

/// <summary>The figures as JSON. <c>ratios</c> are those of the sidecar under the JIT; a native one has <c>nativeRatios</c>.</summary>
internal static class PeersJson
{
    /// <summary>Writes them.</summary>
    /// <param name="findings">What was found.</param>
    /// <param name="isNative">Whether the sidecar was compiled ahead of time.</param>
    /// <param name="output">Receives UTF-8.</param>
    public static void Write(Findings findings, bool isNative, Stream output)
    {
        using Utf8JsonWriter json = new(output, new JsonWriterOptions { Indented = true });
        json.WriteStartObject();
        json.WriteStartObject(isNative ? "nativeRatios" : "ratios");
        foreach ((string peer, double ratio) in Ratios.Of(findings.Cases))
        {
            json.WriteNumber(peer, Math.Round(ratio, 3));
        }

        json.WriteEndObject();
        Array(json, "cases", findings.Cases, WriteCase);
        Array(json, "footprints", findings.Footprints, (w, f) => WriteFootprint(w, f, findings));
        Array(json, "tcp", findings.Tcp, static (w, t) =>
        {
            w.WriteString("peer", t.Peer);
            Number(w, "cpuMsPerGiB", t.CpuMsPerGiB.Median);
            Number(w, "giBPerSecond", t.GiBPerSecond.Median);
        });
        if (findings.Loops is { } loops)
        {
            json.WriteStartObject("loops");
            Number(json, "oneCpuMicros", loops.OneMicros.Median);
            Number(json, "twoCpuMicros", loops.TwoMicros.Median);
            Number(json, "busiestShare", loops.BusiestShare);
            json.WriteEndObject();
        }

        json.WriteNumber("errors", findings.Errors);
        json.WriteEndObject();
    }

    private static void WriteCase(Utf8JsonWriter json, CaseResult one)
    {
        Summary cpu = one.Of(static s => s.CpuMicros);
        json.WriteString("peer", one.Peer);
        json.WriteNumber("size", one.Case.Size);
        json.WriteNumber("connections", one.Case.Connections);
        json.WriteNumber("rate", one.Case.Rate);
        json.WriteString("runtime", one.Runtime);
        Number(json, "cpuMicros", cpu.Median);
        Number(json, "cpuMicrosLowest", cpu.Lowest);
        Number(json, "cpuMicrosHighest", cpu.Highest);
        Number(json, "userMicros", one.Of(static s => s.UserMicros).Median);
        Number(json, "systemMicros", one.Of(static s => s.SystemMicros).Median);
        Number(json, "backendCpuMicros", one.Of(static s => s.BackendMicros).Median);
        Number(json, "requestsPerSecond", one.Of(static s => s.RequestsPerSecond).Median);
        Number(json, "p50Ms", one.Of(static s => s.P50Ms).Median);
        Number(json, "p99Ms", one.Of(static s => s.P99Ms).Median);
        if (one.Samples.All(static s => s.BytesPerRequest is not null))
        {
            Number(json, "bytesPerRequest", one.Of(static s => s.BytesPerRequest!.Value).Median);
        }

        json.WriteNumber("errors", one.Samples.Sum(static s => s.Errors));
    }

    private static void WriteFootprint(Utf8JsonWriter json, Footprint one, Findings findings)
    {
        json.WriteString("peer", one.Peer);
        Number(json, "startMs", one.StartMs.Median);
        Number(json, "kiBPerConnection", one.PerConnection());
        if (findings.Syscalls.TryGetValue(one.Peer, out double calls))
        {
            Number(json, "kernelCallsPerRequest", calls);
        }

        KeyValuePair<int, MemoryUse>[] uses = [new(0, one.Idle), .. one.WithConnections.OrderBy(static w => w.Key)];
        Array(json, "memory", uses, static (w, use) =>
        {
            w.WriteNumber("idleConnections", use.Key);
            w.WriteNumber("rssKiB", use.Value.Rss);
            w.WriteNumber("pssKiB", use.Value.Pss);
        });
    }

    private static void Array<T>(Utf8JsonWriter json, string name, IEnumerable<T> items, Action<Utf8JsonWriter, T> write)
    {
        json.WriteStartArray(name);
        foreach (T item in items)
        {
            json.WriteStartObject();
            write(json, item);
            json.WriteEndObject();
        }

        json.WriteEndArray();
    }

    private static void Number(Utf8JsonWriter json, string name, double value) => json.WriteNumber(name, Math.Round(value, 3));
}
