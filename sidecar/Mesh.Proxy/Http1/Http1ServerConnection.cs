using Mesh.Proxy.Http;
using Microsoft.AspNetCore.Connections;

namespace Mesh.Proxy.Http1;

/// <summary>The keep-alive loop of one client connection: head, exchange, and again. Requests that a client pipelines are answered in order.</summary>
internal sealed class Http1ServerConnection(ConnectionContext connection, ListenerSide side, ProxyContext context)
{
    private readonly HeadReader _head = new(context.Http1Limits, isRequest: true);
    private readonly Http1Exchange _exchange = new(connection, side, context);
    private volatile bool _isStopping;

    /// <summary>Serves until the client or a drain ends it. Never throws for what a peer does.</summary>
    public async Task ProcessAsync()
    {
        try
        {
            bool goesOn;
            do
            {
                HeadStatus status = await _head.ReadAsync(connection.Transport.Input);
                switch (status)
                {
                    case HeadStatus.Ok:
                        goesOn = await _exchange.RunAsync(_head);
                        break;
                    case HeadStatus.Cancelled:
                        goesOn = !_isStopping;
                        break;
                    case HeadStatus.Ended:
                        return;
                    case HeadStatus.Truncated:
                        side.Stats.CxProtocolError.Add();
                        return;
                    default:
                        await _exchange.RefuseHeadAsync(_head.Error);
                        goesOn = false;
                        break;
                }

                _head.Release();
            }
            while (goesOn && !_isStopping); // a body that was being copied may have swallowed the wake-up

            await LingeringClose.RunAsync(connection, context.Runtime.Time);
        }
        finally
        {
            _head.Release();
        }
    }

    /// <summary>Ends an idle connection now, a busy one after its request. Any thread.</summary>
    public void Stop()
    {
        _isStopping = true;
        connection.Transport.Input.CancelPendingRead();
    }
}
