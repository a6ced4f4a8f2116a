namespace Mesh.Proxy.Telemetry;

/// <summary>Passes every finished request to several sinks, in order.</summary>
public sealed class RequestSinks : IRequestSink
{
    private readonly IRequestSink[] _sinks;

    /// <summary>Passes on to <paramref name="sinks"/>.</summary>
    public RequestSinks(params IRequestSink[] sinks)
    {
        _sinks = sinks;
        WantsText = sinks.Any(static s => s.WantsText);
    }

    /// <inheritdoc/>
    public bool WantsText { get; }

    /// <inheritdoc/>
    public void OnFinished(RequestRecord record)
    {
        foreach (IRequestSink sink in _sinks)
        {
            sink.OnFinished(record);
        }
    }

    /// <inheritdoc/>
    public void OnTcpOpened(RequestRecord record)
    {
        foreach (IRequestSink sink in _sinks)
        {
            sink.OnTcpOpened(record);
        }
    }
}
