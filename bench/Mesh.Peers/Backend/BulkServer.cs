using System.Net;
using System.Net.Sockets;

namespace Mesh.Peers.Backend;

/// <summary>The upstream of the TCP cases: sends for as long as somebody reads.</summary>
internal sealed class BulkServer : IDisposable
{
    private readonly Socket _listener = new(AddressFamily.InterNetwork, SocketType.Stream, ProtocolType.Tcp);

    /// <summary>Listens on loopback and serves until disposed.</summary>
    public BulkServer(int port)
    {
        _listener.Bind(new IPEndPoint(IPAddress.Loopback, port));
        _listener.Listen();
        new Thread(Run) { IsBackground = true }.Start();
    }

    public void Dispose() => _listener.Dispose();

    private void Run()
    {
        try
        {
            while (true)
            {
                Socket reader = _listener.Accept();
                new Thread(() => SendUntilClosed(reader)) { IsBackground = true }.Start();
            }
        }
        catch (Exception e) when (e is SocketException or ObjectDisposedException)
        {
            // The listener is closed: the end.
        }
    }

    private static void SendUntilClosed(Socket reader)
    {
        byte[] block = new byte[256 * 1024];
        using (reader)
        {
            try
            {
                while (true)
                {
                    reader.Send(block);
                }
            }
            catch (SocketException)
            {
                // It has read enough.
            }
        }
    }
}
