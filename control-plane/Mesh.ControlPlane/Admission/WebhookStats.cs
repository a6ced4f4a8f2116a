using System.Globalization;
using System.Security.Cryptography.X509Certificates;
using System.Text;

namespace Mesh.ControlPlane.Admission;

/// <summary>How a call of a webhook ended.</summary>
internal enum WebhookResult
{
    /// <summary>The request goes on.</summary>
    Allowed,

    /// <summary>We refused it.</summary>
    Refused,

    /// <summary>It was no review.</summary>
    Invalid,

    /// <summary>It got no answer: the caller was gone or too slow, or we failed.</summary>
    Failed,
}

/// <summary>What the webhooks did: API servers wait for them, and with a bad certificate no pod starts. Thread-safe.</summary>
/// <param name="certificate">The certificate that handshakes are shown now; null while there is none.</param>
internal sealed class WebhookStats(Func<X509Certificate2?> certificate)
{
    private static readonly string[] Results = ["allowed", "refused", "invalid", "failed"];
    private static readonly double[] Bounds = [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10];
    private readonly Lock _gate = new();
    private readonly SortedDictionary<string, PathStats> _paths = new(StringComparer.Ordinal) { ["/inject"] = new(), ["/validate"] = new() };

    /// <summary>A call was answered.</summary>
    /// <param name="path">Which webhook.</param>
    /// <param name="result">How it ended.</param>
    /// <param name="took">From its first byte to the last of the answer.</param>
    public void Count(string path, WebhookResult result, TimeSpan took)
    {
        int bucket = Array.FindIndex(Bounds, bound => took.TotalSeconds <= bound);
        lock (_gate)
        {
            PathStats stats = _paths[path];
            stats.Results[(int)result]++;
            stats.Buckets[bucket < 0 ? Bounds.Length : bucket]++;
            stats.Seconds += took.TotalSeconds;
        }
    }

    /// <summary>Adds the families to a page of metrics.</summary>
    public void Write(StringBuilder page, DateTimeOffset now)
    {
        CultureInfo invariant = CultureInfo.InvariantCulture;
        lock (_gate)
        {
            page.Append("# HELP mesh_webhook_requests_total Calls of the admission webhooks.\n# TYPE mesh_webhook_requests_total counter\n");
            foreach ((string path, PathStats stats) in _paths)
            {
                for (int i = 0; i < Results.Length; i++)
                {
                    page.Append(invariant, $"mesh_webhook_requests_total{{path=\"{path}\",result=\"{Results[i]}\"}} {stats.Results[i]}\n");
                }
            }

            page.Append("# HELP mesh_webhook_request_seconds Time to answer a call.\n# TYPE mesh_webhook_request_seconds histogram\n");
            foreach ((string path, PathStats stats) in _paths)
            {
                long cumulated = 0;
                for (int i = 0; i <= Bounds.Length; i++)
                {
                    cumulated += stats.Buckets[i];
                    string bound = i < Bounds.Length ? Bounds[i].ToString(invariant) : "+Inf";
                    page.Append(invariant, $"mesh_webhook_request_seconds_bucket{{path=\"{path}\",le=\"{bound}\"}} {cumulated}\n");
                }

                page.Append(invariant, $"mesh_webhook_request_seconds_sum{{path=\"{path}\"}} {stats.Seconds}\nmesh_webhook_request_seconds_count{{path=\"{path}\"}} {cumulated}\n");
            }
        }

        if (certificate() is { } shown)
        {
            page.Append("# HELP mesh_webhook_certificate_expiry_seconds Time until the certificate that is shown ends.\n# TYPE mesh_webhook_certificate_expiry_seconds gauge\n");
            page.Append(invariant, $"mesh_webhook_certificate_expiry_seconds {(long)(shown.NotAfter.ToUniversalTime() - now.UtcDateTime).TotalSeconds}\n");
        }
    }

    private sealed class PathStats
    {
        public long[] Results { get; } = new long[WebhookStats.Results.Length];

        public long[] Buckets { get; } = new long[Bounds.Length + 1];

        public double Seconds { get; set; }
    }
}
