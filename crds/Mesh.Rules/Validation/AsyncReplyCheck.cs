using Mesh.Rules.Kinds;
using Mesh.Rules.Schema;
using Mesh.Rules.Snapshots;

namespace Mesh.Rules.Validation;

/// <summary>Bounds of what a sidecar keeps for callers that come back.</summary>
internal static class AsyncReplyCheck
{
    private static readonly TimeSpan LongestWait = TimeSpan.FromMinutes(5); // a request that stands still for longer ends anyway
    private static readonly TimeSpan LongestKept = TimeSpan.FromHours(1);

    public static void Check(AsyncReply reply, Cursor at)
    {
        if (reply.After > LongestWait)
        {
            at.Field("after").Error("must be at most 5m");
        }

        if (reply.KeepFor > LongestKept)
        {
            at.Field("keepFor").Error("must be at most 1h: what must be found later than that belongs into a store of the application's");
        }

        if (reply.MaxBytes > AsyncReplyConfig.MostBytes)
        {
            at.Field("maxBytes").Error("must be at most 16Mi");
        }
    }
}
