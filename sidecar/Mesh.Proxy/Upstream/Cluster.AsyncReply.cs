using Mesh.Proxy.Telemetry;
using Mesh.Rules.Snapshots;

namespace Mesh.Proxy.Upstream;

// Late answers of a cluster: what is kept of them belongs to the process, here they are counted.
public sealed partial class Cluster
{
    // Before the rule itself is in force: who sees it finds the counters.
    private void UpdateAsyncReply(AsyncReplyConfig? previous, AsyncReplyConfig? next)
    {
        if (next is not null)
        {
            Stats.AsyncReply ??= new AsyncReplyStats();
        }

        Services.AsyncReplies.Use((next is null ? 0 : 1) - (previous is null ? 0 : 1));
    }
}
