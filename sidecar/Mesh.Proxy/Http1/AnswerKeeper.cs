using System.IO.Pipelines;
using Mesh.Proxy.AsyncReplies;
using Mesh.Proxy.Fallbacks;
using Mesh.Proxy.Http;

namespace Mesh.Proxy.Http1;

/// <summary>Reads the answer of a call whose caller has been told to come back, and puts it into the store. Stateless.</summary>
internal static class AnswerKeeper
{
    /// <summary>Runs on the loop of the call until it is over. Never throws for what an upstream does.</summary>
    /// <param name="call">What is kept.</param>
    /// <param name="connection">Where the answer comes from; its reader is done afterwards.</param>
    /// <param name="isHead">The method is HEAD: the answer has no body.</param>
    /// <param name="context">What all connections share.</param>
    public static async Task RunAsync(KeptCall call, CallConnection connection, bool isHead, ProxyContext context)
    {
        HeadReader head = new(context.Http1Limits, isRequest: false);
        AnswerBuffer body = new(call.Config.MaxBytes);
        StandIn? answer = null;
        try
        {
            answer = await ReadAsync(connection.Answer, head, body, isHead, context.Http1Limits);
        }
        finally
        {
            if (answer is null)
            {
                call.Stats.Lost.Add();
                connection.Abort(); // nobody reads the rest
            }

            context.AsyncReplies.Complete(call, answer ?? ProxyErrors.AsyncReplyLost(body.IsTooLong ? call.Config : null));
            head.Release();
            await connection.Answer.CompleteAsync();
        }
    }

    /// <summary>The whole answer; null when it broke off or is too long.</summary>
    private static async ValueTask<StandIn?> ReadAsync(PipeReader input, HeadReader head, AnswerBuffer body, bool isHead, Http1Limits limits)
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
                return null;
            }
        }
        while (response.IsInterim);

        return MessageFraming.DecideResponse(response.Headers, response.MinorVersion, response.Status, isHead, out BodyFraming framing) == HeadError.None
            && await new BodyCopier(limits).CopyAsync(input, body, framing, stripChunks: true) == CopyStatus.Done
            ? new StandIn(response.Status, GoodAnswer.LinesOf(response), body.Bytes.ToArray()) : null;
    }
}
