using System.Net;
using Mesh.Rules.Kinds;
using Mesh.Rules.Schema;

namespace Mesh.Rules.Validation;

/// <summary>What no single field of a WorkloadEntry can tell, be it an object of its own or an endpoint of a service entry. Texts are Istio's where it has one.</summary>
internal static class WorkloadEntryCheck
{
    private const string UnixScheme = "unix://";

    /// <summary>Checks a WorkloadEntry that is an object of its own.</summary>
    public static void Check(WorkloadEntry entry, Cursor spec)
    {
        Cursor address = spec.Field("address");
        if (CheckPlace(entry, spec))
        {
            return;
        }

        if (entry.Address is { } name && !IPAddress.TryParse(name, out _) && HostName.Check(name.TrimEnd('.')) is { } problem)
        {
            address.Error($"{RuleNode.Quote(name)} is neither an IP address nor a name that can be resolved: {problem}");
        }

        if (!entry.Labels.IsEmpty || spec.Field("labels").Node is not null)
        {
            LabelCheck.Check(entry.Labels, spec.Field("labels"));
        }
    }

    /// <summary>Checks what does not depend on how a service entry resolves its endpoints. True when there is nothing more to say of the address.</summary>
    public static bool CheckPlace(WorkloadEntry entry, Cursor at)
    {
        Cursor address = at.Field("address");
        if (string.IsNullOrEmpty(entry.Address))
        {
            if (address.Node is not (null or { Text: "", Kind: RuleNodeKind.Text or RuleNodeKind.Null }))
            {
                return true; // reported as unreadable
            }

            if (string.IsNullOrEmpty(entry.Network))
            {
                address.Error("address is required: the endpoint's IP", DiagnosticCode.Required);
            }
            else
            {
                address.NotEnforced("an endpoint without address stands for the gateway of its network, and is left out; write its IP");
            }

            return true;
        }

        if (!entry.Address.StartsWith(UnixScheme, StringComparison.Ordinal))
        {
            return false;
        }

        if (entry.Address.Length == UnixScheme.Length || entry.Address[UnixScheme.Length] is not ('/' or '@'))
        {
            address.Error($"unix socket {RuleNode.Quote(entry.Address)} must be an absolute path, such as unix:///var/run/app.sock");
        }
        else if (!entry.Ports.IsEmpty)
        {
            at.Field("ports").Error("unix socket endpoint cannot have ports");
        }
        else
        {
            address.NotEnforced("endpoints behind unix sockets are left out; write IP and port");
        }

        return true;
    }
}
