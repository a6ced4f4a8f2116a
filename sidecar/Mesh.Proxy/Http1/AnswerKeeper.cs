using System.IO.Pipelines;
using Mesh.Proxy.AsyncReplies;
using Mesh.Proxy.Fallbacks;
using Mesh.Proxy.Http;

namespace Mesh.Proxy.Http1;

/// <summary>Reads the answer of a call whose caller has been told to come back, and puts it into the store. Stateless.</summary>
internal static class AnswerKeeper
{
    /// <summary>Runs on the loop of the call until it is over, or has taken as long as an answer would be kept. Never throws for what an upstream does.</summary>
    /// <param name="call">What is kept.</param>
    /// <param name="connection">Where the answer comes from; its reader is done afterwards.</param>
    /// <param name="context">What all connections share.</param>
    public static async Task RunAsync(KeptCall call, CallConnection connection, ProxyContext context)
    {
        long since = context.Now;
        HeadReader head = new(context.Http1Limits, isRequest: false);
        StandIn? answer = null;
        bool isTooLong = false;
        try
        {
            // An upstream that sends a byte now and then would hold its room for ever.
            using ITimer end = context.Runtime.Time.CreateTimer(static c => ((CallConnection)c!).Abort(), connection, call.Config.KeepFor, Timeout.InfiniteTimeSpan);
            (answer, isTooLong) = await ReadAsync(connection.Answer, head, call.Config.MaxBytes, context.Http1Limits);
        }
        finally
        {
            if (answer is null)
            {
                call.Stats.Lost.Add();
                connection.Abort(); // nobody reads the rest
            }

            bool isLate = context.Since(since) >= call.Config.KeepFor;
            context.AsyncReplies.Complete(
                call, answer ?? (isTooLong ? ProxyErrors.AsyncReplyTooLong(call.Config) : isLate ? ProxyErrors.AsyncReplyLate(call.Config) : ProxyErrors.AsyncReplyLost()));
            head.Release();
            await connection.Answer.CompleteAsync();
        }
    }

    /// <summary>The whole answer; null when it broke off or is too long.</summary>
    private static async ValueTask<(StandIn? Answer, bool IsTooLong)> ReadAsync(PipeReader input, HeadReader head, long maxBytes, Http1Limits limits)
    {
        ResponseHead response = new(limits);
        do
        {
            HeadStatus status;
            do
            {
                status = await head.ReadAsync(input);
            }
            while (status == HeadStatus.Cancelled); // the end of the caller's wait, come late

            if (status != HeadStatus.Ok || response.TryParse(head.Bytes, head.Length) != HeadError.None)
            {
                return default;
            }
        }
        while (response.IsInterim);

        if (MessageFraming.DecideResponse(response.Headers, response.MinorVersion, response.Status, isHead: false, out BodyFraming framing) != HeadError.None)
        {
            return default;
        }

        byte[] lines = GoodAnswer.LinesOf(response);
        long room = maxBytes - lines.Length;
        long length = framing.Kind == BodyKind.Length ? framing.Length : 0;
        if (length > room || room < 0)
        {
            return (null, true);
        }

        AnswerBuffer body = new((int)room, (int)length);
        bool isWhole = await new BodyCopier(limits).CopyAsync(input, body, framing, stripChunks: true) == CopyStatus.Done;
        return (isWhole && !body.IsTooLong ? new StandIn(response.Status, lines, body.Take()) : null, body.IsTooLong);
    }
}
