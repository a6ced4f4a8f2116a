using System.Net;
using System.Net.Sockets;

namespace Mesh.Lab.Processes;

/// <summary>
/// Ports for programs that must be named before they start: a shop application needs its sidecar's address, and that sidecar the
/// application's. Taken below the range that systems hand out by themselves, so nobody gets one by chance meanwhile.
/// </summary>
/// <param name="random">Chooses.</param>
internal sealed class FreePorts(Random random)
{
    private readonly HashSet<int> _taken = [];

    /// <summary>A loopback port nobody listens at now.</summary>
    public int Take()
    {
        for (int attempt = 0; attempt < 1000; attempt++)
        {
            int port = random.Next(20_000, 30_000);
            if (!_taken.Add(port))
            {
                continue;
            }

            try
            {
                using TcpListener probe = new(IPAddress.Loopback, port);
                probe.Start();
                return port;
            }
            catch (SocketException)
            {
                // Somebody has it; the next one.
            }
        }

        throw new LabException("no free port between 20000 and 30000");
    }
}
