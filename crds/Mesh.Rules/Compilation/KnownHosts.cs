using Mesh.Rules.Schema;

namespace Mesh.Rules.Compilation;

/// <summary>Hosts, ports and subsets that a proxy has clusters for: what a route may name. Filled service by service; not thread-safe.</summary>
internal sealed class KnownHosts
{
    private readonly Dictionary<string, Known> _hosts = new(StringComparer.Ordinal);

    /// <summary>Ports of HTTP services, in order.</summary>
    public SortedSet<int> HttpPorts { get; } = [];

    /// <summary>Adds a service port with its subsets.</summary>
    public void Add(ServicePortModel service, IEnumerable<string> subsets)
    {
        if (!_hosts.TryGetValue(service.Host, out Known? known))
        {
            _hosts.Add(service.Host, known = new Known(service.Namespace));
        }

        known.IsCalled |= !service.Domains.IsEmpty;
        Insert(known.Ports, service.Port, Comparer<int>.Default);
        foreach (string subset in subsets)
        {
            Insert(known.Subsets, subset, StringComparer.Ordinal);
        }

        if (service.IsHttp)
        {
            HttpPorts.Add(service.Port);
        }
    }

    /// <summary>Whether a service has that name.</summary>
    public bool Has(string host) => _hosts.ContainsKey(host);

    /// <summary>Whether a service is called by that name; one that only routes lead to is not.</summary>
    public bool IsCalled(string host) => _hosts.TryGetValue(host, out Known? known) && known.IsCalled;

    /// <summary>Whether a service fits a wildcard.</summary>
    public bool HasMatchOf(string pattern) => _hosts.Keys.Any(host => Resolution.HostMatch.Matches(pattern, host));

    /// <summary>Namespace of the service of that name; empty when there is none.</summary>
    public string NamespaceOf(string host) => _hosts.TryGetValue(host, out Known? known) ? known.Namespace : "";

    /// <summary>The port of a destination that names none: the service's only one, else the one that was called.</summary>
    public int InferPort(string host, int called) => _hosts.TryGetValue(host, out Known? known) && known.Ports.Count == 1 ? known.Ports[0] : called;

    /// <summary>Why there is no such cluster, with the name that may have been meant; null when there is one.</summary>
    public string? FindProblem(string host, int port, string subset)
    {
        if (!_hosts.TryGetValue(host, out Known? known))
        {
            return $"no service or ServiceEntry named '{host}' is known{(Nearest(host) is { } meant ? $"; did you mean \"{meant}\"?" : "")}";
        }

        if (!known.Ports.Contains(port))
        {
            return $"'{host}' has no port {port}; it has {string.Join(", ", known.Ports)}: write port: {{number: {known.Ports[0]}}}";
        }

        return subset.Length == 0 || known.Subsets.Contains(subset)
            ? null
            : $"no DestinationRule defines subset '{subset}' of '{host}'{Suggestion.For(subset, known.Subsets)}";
    }

    // By the first label where the rest is the same: a long common end would make every service of a namespace look alike.
    private string? Nearest(string host)
    {
        int dot = host.IndexOf('.');
        (string label, string rest) = dot < 0 ? (host, "") : (host[..dot], host[dot..]);
        string[] beside = [.. _hosts.Keys.Where(h => h.EndsWith(rest, StringComparison.Ordinal)).Select(h => h[..^rest.Length]).Where(static h => h.Length > 0 && !h.Contains('.'))];
        return Suggestion.Nearest(label, beside) is { } best ? best + rest
            : _hosts.Keys.Where(h => h == label || h.StartsWith(label + ".", StringComparison.Ordinal)).Order(StringComparer.Ordinal).FirstOrDefault()
            ?? (rest.Contains(".svc.", StringComparison.Ordinal) ? null : Suggestion.Nearest(host, _hosts.Keys));
    }

    /// <summary>Whether both know the same.</summary>
    public bool AreThoseOf(KnownHosts other) =>
        _hosts.Count == other._hosts.Count && HttpPorts.SetEquals(other.HttpPorts)
        && _hosts.All(h => other._hosts.TryGetValue(h.Key, out Known? theirs) && (h.Value.Namespace, h.Value.IsCalled) == (theirs.Namespace, theirs.IsCalled) && h.Value.Ports.SequenceEqual(theirs.Ports) && h.Value.Subsets.SequenceEqual(theirs.Subsets));

    // Each once and in order. A service has few of them: a tree for each would cost more than all the rest here.
    private static void Insert<T>(List<T> sorted, T item, IComparer<T> order)
    {
        if (sorted.BinarySearch(item, order) is < 0 and int at)
        {
            sorted.Insert(~at, item);
        }
    }

    /// <summary>What is known of a host: ports and subsets in order, each once.</summary>
    private sealed class Known(string serviceNamespace)
    {
        public string Namespace { get; } = serviceNamespace;

        public bool IsCalled { get; set; }

        public List<int> Ports { get; } = new(1);

        public List<string> Subsets { get; } = [];
    }
}
