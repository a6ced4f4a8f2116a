namespace Mesh.Load.Measuring;

/// <summary>Adds up samples. Thread-safe.</summary>
internal sealed class LoadRecorder
{
    private readonly Lock _gate = new();
    private readonly LatencyHistogram _latency = new();
    private readonly LatencyHistogram _okLatency = new();
    private readonly SortedDictionary<int, long> _codes = [];
    private readonly SortedDictionary<string, long> _reasons = new(StringComparer.Ordinal);
    private readonly SortedDictionary<string, long> _errors = new(StringComparer.Ordinal);
    private long _requests;
    private long _ok;
    private long _bytes;
    private long _overloaded;
    private long _unexplained;

    /// <summary>Adds one.</summary>
    public void Add(in LoadSample sample)
    {
        lock (_gate)
        {
            _requests++;
            _bytes += sample.Bytes;
            _latency.Record(sample.Latency);
            if (sample.IsOk)
            {
                _ok++;
                _okLatency.Record(sample.Latency);
            }

            _codes[sample.Code] = _codes.GetValueOrDefault(sample.Code) + 1;
            _overloaded += sample.IsOverloaded ? 1 : 0;
            _unexplained += sample.Code == 503 && !(sample.IsOverloaded && sample.Reason is not null) ? 1 : 0;
            if (sample.Reason is { } reason)
            {
                _reasons[reason] = _reasons.GetValueOrDefault(reason) + 1;
            }

            if (sample.Error is { } error)
            {
                _errors[error] = _errors.GetValueOrDefault(error) + 1;
            }
        }
    }

    /// <summary>The sum so far.</summary>
    public LoadReport Report(TimeSpan elapsed, long notSent)
    {
        lock (_gate)
        {
            return new LoadReport(
                _requests, _ok, notSent, elapsed, _bytes, _latency, _okLatency, new SortedDictionary<int, long>(_codes),
                new SortedDictionary<string, long>(_reasons, StringComparer.Ordinal), _overloaded, _unexplained,
                new SortedDictionary<string, long>(_errors, StringComparer.Ordinal));
        }
    }
}
