using System.Collections.Concurrent;
using System.Globalization;
using System.Runtime.CompilerServices;

namespace Mesh.Proxy.Telemetry;

/// <summary>The workload that this sidecar stands beside, for the labels of the standard metrics.</summary>
/// <param name="Workload">Workload (the service's name).</param>
/// <param name="Namespace">Namespace.</param>
/// <param name="Version">Version label, or <c>latest</c>.</param>
public sealed record WorkloadLabels(string Workload, string Namespace, string Version);

/// <summary>
/// Istio's standard metrics (semantics 10.1) and our count of local replies by reason. Thread-safe. A request whose labels were seen
/// before costs a lookup and a few interlocked adds, no allocation.
/// </summary>
public sealed class StandardMetrics(WorkloadLabels own, string version) : IRequestSink
{
    // Endpoints come and go and each brings its own label object. The first map knows the object and is only a cache;
    // the second knows the text, so that two objects with the same text are one series.
    private const int MaxCached = 4096;
    private readonly ConcurrentDictionary<ObjectKey, Series> _byObject = new();
    private readonly ConcurrentDictionary<TextKey, Series> _byText = new();
    private readonly ConcurrentDictionary<(DecisionReason Reason, string Cluster), StripedCounter> _localReplies = new();

    /// <inheritdoc/>
    public bool WantsText => false;

    /// <inheritdoc/>
    public void OnFinished(RequestRecord record)
    {
        Series series = SeriesOf(record);
        if (record.IsTcp)
        {
            series.Closed.Add();
            series.Sent.Add(record.WireBytesSent);
            series.Received.Add(record.WireBytesReceived);
        }
        else
        {
            series.Requests.Add();
            series.Duration.Observe(record.Duration.TotalMilliseconds);
            series.RequestBytes.Observe(record.WireBytesReceived);
            series.ResponseBytes.Observe(record.WireBytesSent);
        }

        if (record.Decision is { IsSet: true, Verdict: DecisionVerdict.Refused or DecisionVerdict.Replaced })
        {
            _localReplies.GetOrAdd((record.Decision.Reason, record.UpstreamCluster ?? ""), static _ => new StripedCounter()).Add();
        }
    }

    /// <inheritdoc/>
    public void OnTcpOpened(RequestRecord record) => SeriesOf(record).Opened.Add();

    /// <summary>Writes every family.</summary>
    public void Write(PrometheusText text)
    {
        List<Series> all = [.. _byText.Values.OrderBy(static s => s.Labels, StringComparer.Ordinal)];
        WriteCounter(text, "istio_requests_total", "Requests, by source, destination, code and flags", all, static s => s.Requests);
        WriteHistogram(text, "istio_request_duration_milliseconds", "Time from the first byte in to the last byte out", all, static s => s.Duration);
        WriteHistogram(text, "istio_request_bytes", "Size of requests on the wire", all, static s => s.RequestBytes);
        WriteHistogram(text, "istio_response_bytes", "Size of responses on the wire", all, static s => s.ResponseBytes);
        WriteCounter(text, "istio_tcp_connections_opened_total", "TCP connections opened", all, static s => s.Opened);
        WriteCounter(text, "istio_tcp_connections_closed_total", "TCP connections closed", all, static s => s.Closed);
        WriteCounter(text, "istio_tcp_sent_bytes_total", "Bytes sent to TCP clients", all, static s => s.Sent, static s => s.Closed);
        WriteCounter(text, "istio_tcp_received_bytes_total", "Bytes received from TCP clients", all, static s => s.Received, static s => s.Closed);
        WriteLocalReplies(text);
        text.Family("istio_build", StatType.Gauge, "Version of the sidecar");
        text.Sample("istio_build", PrometheusText.Labels(("component", "proxy"), ("tag", version)), 1);
    }

    private void WriteLocalReplies(PrometheusText text)
    {
        if (_localReplies.IsEmpty)
        {
            return;
        }

        text.Family("mesh_local_replies_total", StatType.Counter, "Answers made by the sidecar itself, by reason");
        foreach (((DecisionReason reason, string cluster), StripedCounter count) in
            _localReplies.OrderBy(static r => r.Key.Cluster, StringComparer.Ordinal).ThenBy(static r => r.Key.Reason))
        {
            text.Sample("mesh_local_replies_total", PrometheusText.Labels(("reason", reason.ToText()), ("cluster_name", cluster)), count.Value);
        }
    }

    private static void WriteCounter(
        PrometheusText text, string name, string help, List<Series> all, Func<Series, StripedCounter> counter, Func<Series, StripedCounter>? when = null)
    {
        List<Series> used = all.FindAll(s => (when ?? counter)(s).Value > 0);
        if (used.Count > 0)
        {
            text.Family(name, StatType.Counter, help);
            used.ForEach(s => text.Sample(name, s.Labels, counter(s).Value));
        }
    }

    private static void WriteHistogram(PrometheusText text, string name, string help, List<Series> all, Func<Series, Histogram> histogram)
    {
        List<Series> used = all.FindAll(static s => s.Requests.Value > 0);
        if (used.Count > 0)
        {
            text.Family(name, "histogram", help);
            used.ForEach(s => text.Histogram(name, s.Labels, histogram(s)));
        }
    }

    private Series SeriesOf(RequestRecord record)
    {
        TextKey key = new(record.IsInbound, record.IsTcp, record.Destination, record.ResponseCode, record.Flag, record.SecondFlag);
        if (_byObject.TryGetValue(new ObjectKey(key), out Series? known))
        {
            return known;
        }

        Series series = _byText.GetOrAdd(key, static (k, self) => new Series(self.LabelsOf(k)), this);
        if (_byObject.Count >= MaxCached)
        {
            _byObject.Clear();
        }

        _byObject[new ObjectKey(key)] = series;
        return series;
    }

    private string LabelsOf(TextKey key)
    {
        WorkloadLabels unknown = new("unknown", "unknown", "unknown");
        DestinationLabels? to = key.Destination;
        WorkloadLabels source = key.IsInbound ? unknown : own;
        WorkloadLabels destination = key.IsInbound ? own : to is null ? unknown : new WorkloadLabels(to.Workload, to.WorkloadNamespace, to.Version);
        string protocol = key.IsTcp ? "tcp" : "http";
        string common = PrometheusText.Labels(
            ("reporter", key.IsInbound ? "destination" : "source"),
            ("source_workload", source.Workload),
            ("source_workload_namespace", source.Namespace),
            ("source_principal", "unknown"),
            ("source_app", source.Workload),
            ("source_version", source.Version),
            ("source_cluster", "unknown"),
            ("source_canonical_service", source.Workload),
            ("source_canonical_revision", Revision(source)),
            ("destination_workload", destination.Workload),
            ("destination_workload_namespace", destination.Namespace),
            ("destination_principal", "unknown"),
            ("destination_app", destination.Workload),
            ("destination_version", destination.Version),
            ("destination_service", to?.Service ?? "unknown"),
            ("destination_service_name", to?.ServiceName ?? "unknown"),
            ("destination_service_namespace", to?.ServiceNamespace ?? "unknown"),
            ("destination_cluster", "unknown"),
            ("destination_canonical_service", destination.Workload),
            ("destination_canonical_revision", Revision(destination)),
            ("request_protocol", protocol),
            ("response_flags", ResponseFlagText.ToText(key.Flag, key.SecondFlag)),
            ("connection_security_policy", key.IsInbound ? "none" : "unknown"));
        return key.IsTcp ? common : $"{common},{PrometheusText.Labels(("response_code", key.Code.ToString(CultureInfo.InvariantCulture)))}";
    }

    private static string Revision(WorkloadLabels workload) => workload.Version == "unknown" ? "latest" : workload.Version;

    private readonly record struct TextKey(
        bool IsInbound, bool IsTcp, DestinationLabels? Destination, int Code, ResponseFlag Flag, ResponseFlag SecondFlag);

    /// <summary>The same key, but the labels compare by reference.</summary>
    private readonly struct ObjectKey(TextKey key) : IEquatable<ObjectKey>
    {
        private readonly TextKey _key = key;

        public bool Equals(ObjectKey other) =>
            ReferenceEquals(_key.Destination, other._key.Destination) && _key.Code == other._key.Code && _key.Flag == other._key.Flag
            && _key.SecondFlag == other._key.SecondFlag && _key.IsInbound == other._key.IsInbound && _key.IsTcp == other._key.IsTcp;

        public override bool Equals(object? obj) => obj is ObjectKey other && Equals(other);

        public override int GetHashCode() => HashCode.Combine(
            _key.Destination is { } labels ? RuntimeHelpers.GetHashCode(labels) : 0, _key.Code, _key.Flag, _key.SecondFlag, _key.IsInbound, _key.IsTcp);
    }

    private sealed class Series(string labels)
    {
        public string Labels { get; } = labels;

        public StripedCounter Requests { get; } = new();

        public Histogram Duration { get; } = new();

        public Histogram RequestBytes { get; } = new();

        public Histogram ResponseBytes { get; } = new();

        public StripedCounter Opened { get; } = new();

        public StripedCounter Closed { get; } = new();

        public StripedCounter Sent { get; } = new();

        public StripedCounter Received { get; } = new();
    }
}
