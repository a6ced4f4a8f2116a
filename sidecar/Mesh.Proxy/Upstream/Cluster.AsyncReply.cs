using Mesh.Proxy.Telemetry;
using Mesh.Rules.Snapshots;

namespace Mesh.Proxy.Upstream;

// Late answers of a cluster: what is kept of them belongs to the process, here they are counted.
public sealed partial class Cluster
{
    private void UpdateAsyncReply(AsyncReplyConfig? next)
    {
        if (next is not null)
        {
            Stats.AsyncReply ??= new AsyncReplyStats();
            Services.AsyncReplies.Use();
        }
    }
}
