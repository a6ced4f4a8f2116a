using System.Globalization;
using System.Reflection;

namespace Mesh.Peers.Peers;

/// <summary>This program's own mode <c>forwarder</c>.</summary>
internal sealed class ForwarderPeer : IPeer
{
    public string Name => "forwarder";

    public string Runtime => "jit";

    public TimeSpan WarmUp => TimeSpan.FromSeconds(40);

    public string? MetricsPath => "/metrics";

    public string? TcpHost => null;

    public (string File, IReadOnlyList<string> Args) Prepare(PeerPlace place) =>
        (Assembly.GetExecutingAssembly().Location, ["forwarder", Text(place.Port), Text(place.MetricsPort), Text(place.BackendPort)]);

    private static string Text(int port) => port.ToString(CultureInfo.InvariantCulture);
}
