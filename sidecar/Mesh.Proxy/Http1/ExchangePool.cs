using Mesh.Proxy.Http;

namespace Mesh.Proxy.Http1;

/// <summary>Exchanges that serve no request now, the warmest first: as many exist as requests were ever served at the same time, up to a bound. Thread-safe.</summary>
internal sealed class ExchangePool(ProxyContext context)
{
    private const int MaxIdle = 1024; // some 4 KiB each
    private readonly Lock _gate = new();
    private readonly Stack<Http1Exchange> _idle = new();
    private readonly MirrorSender _mirrors = new(context);

    /// <summary>Exchanges that wait here.</summary>
    public int Idle
    {
        get
        {
            lock (_gate)
            {
                return _idle.Count;
            }
        }
    }

    /// <summary>Copies of requests that are under way.</summary>
    public int CopiesInFlight => _mirrors.InFlight;

    /// <summary>An exchange for the next request of <paramref name="client"/>.</summary>
    public Http1Exchange Rent(Http1ServerConnection client)
    {
        Http1Exchange? exchange;
        lock (_gate)
        {
            _idle.TryPop(out exchange);
        }

        exchange ??= new Http1Exchange(context, _mirrors);
        exchange.Attach(client);
        return exchange;
    }

    /// <summary>Takes back an exchange whose request is done.</summary>
    public void Return(Http1Exchange exchange)
    {
        exchange.Detach();
        lock (_gate)
        {
            if (_idle.Count < MaxIdle)
            {
                _idle.Push(exchange);
            }
        }
    }
}
