using System.Net;
using Mesh.Rules.Wire;

namespace Mesh.ControlPlane.Registry;

/// <summary>Says what is wrong with a registration, before anything of it reaches other sidecars. Pure.</summary>
internal static class RegistrationCheck
{
    private const int MaxLabelLength = 63;
    private const int MaxIdLength = 253;

    /// <summary>The first problem, worded for whoever started the sidecar; null when all is well.</summary>
    public static string? Problem(SidecarRegistration registration)
    {
        bool isInPod = registration is { Service: "", Port: 0 };
        if (isInPod && registration.Node is null)
        {
            return "node: missing; a sidecar without a service says who it is, such as POD.NAMESPACE";
        }

        if (!isInPod && !IsLabel(registration.Service))
        {
            return $"service: '{registration.Service}' is no service name; write lower case letters, digits and '-', at most {MaxLabelLength}";
        }

        if (!IsLabel(registration.Namespace))
        {
            return $"namespace: '{registration.Namespace}' is no namespace; write lower case letters, digits and '-', at most {MaxLabelLength}";
        }

        if (!isInPod && registration.Port is < 1 or > IPEndPoint.MaxPort)
        {
            return $"port: must be in 1..{IPEndPoint.MaxPort}, was {registration.Port}";
        }

        if (registration.Protocol is not ("HTTP" or "TCP"))
        {
            return $"protocol: '{registration.Protocol}' is not supported; write HTTP or TCP";
        }

        if (!IPEndPoint.TryParse(registration.Address, out IPEndPoint? address) || address.Port == 0
            || address.Address.Equals(IPAddress.Any) || address.Address.Equals(IPAddress.IPv6Any))
        {
            return $"address: '{registration.Address}' cannot be dialled; write IP:PORT as peers reach the inbound listener, such as 127.0.0.1:15006";
        }

        return registration.Node is { } node && !IsId(node)
            ? $"node: '{node}' is no id; write letters, digits, '-', '_' and '.', at most {MaxIdLength}"
            : null;
    }

    private static bool IsLabel(string? text) =>
        text is { Length: > 0 and <= MaxLabelLength } && text[0] != '-' && text[^1] != '-'
        && text.All(static c => char.IsAsciiLetterLower(c) || char.IsAsciiDigit(c) || c == '-');

    private static bool IsId(string text) =>
        text.Length is > 0 and <= MaxIdLength && char.IsAsciiLetterOrDigit(text[0])
        && text.All(static c => char.IsAsciiLetterOrDigit(c) || c is '-' or '_' or '.');
}
