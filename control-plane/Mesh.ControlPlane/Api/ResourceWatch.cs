using System.Globalization;
using System.Text.Json.Nodes;
using Mesh.ControlPlane.Store;
using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.Http.Features;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Hosting;

namespace Mesh.ControlPlane.Api;

/// <summary>
/// watch: one JSON line an event, for ever or until the asked time. Headers leave at once, before any event: kubectl waits for them. An object that leaves the
/// selector is DELETED with its old content, one that enters is ADDED.
/// </summary>
internal sealed class ResourceWatch(RuleStore store, TimeProvider time)
{
    private static readonly TimeSpan BookmarkEvery = TimeSpan.FromMinutes(1);
    private static readonly TimeSpan DefaultTimeout = TimeSpan.FromMinutes(45);

    public static bool IsAsked(ApiRequest request) => request.Query("watch") is "true" or "1";

    public async Task RunAsync(ApiRequest request)
    {
        Selector selector = new(request);
        bool initialEvents = request.Query("sendInitialEvents") == "true";
        if (!initialEvents && request.Query("resourceVersionMatch") is { Length: > 0 })
        {
            throw new ApiError(422, "Invalid", "ListOptions.meta.k8s.io \"\" is invalid: resourceVersionMatch: Forbidden: resourceVersionMatch is forbidden for watch unless sendInitialEvents is provided");
        }

        if (initialEvents && request.Query("resourceVersionMatch") != "NotOlderThan")
        {
            throw new ApiError(422, "Invalid", "ListOptions.meta.k8s.io \"\" is invalid: resourceVersionMatch: Forbidden: sendInitialEvents requires setting resourceVersionMatch to NotOlderThan");
        }

        HttpResponse response = request.Http.Response;
        response.ContentType = "application/json";
        request.Http.Features.Get<IHttpResponseBodyFeature>()?.DisableBuffering();
        await response.StartAsync(request.Http.RequestAborted);
        await response.Body.FlushAsync(request.Http.RequestAborted);

        using CancellationTokenSource timeout = new(Timeout(request), time);
        using CancellationTokenSource end = CancellationTokenSource.CreateLinkedTokenSource(
            timeout.Token, request.Http.RequestAborted, request.Http.RequestServices.GetRequiredService<IHostApplicationLifetime>().ApplicationStopping);
        try
        {
            await StreamAsync(new Stream(request, time), selector, initialEvents, end.Token);
        }
        catch (OperationCanceledException) when (end.IsCancellationRequested)
        {
            // The asked time is over, or the client has gone: an ordinary end.
        }
    }

    private async Task StreamAsync(Stream stream, Selector selector, bool initialEvents, CancellationToken end)
    {
        ApiRequest request = stream.Request;
        long at = await StartAsync(stream, selector, initialEvents, end);
        long bookmarkedAt = time.GetTimestamp();
        while (at >= 0)
        {
            using CancellationTokenSource pause = new(BookmarkEvery, time);
            using CancellationTokenSource either = CancellationTokenSource.CreateLinkedTokenSource(pause.Token, end);
            try
            {
                await store.WaitForChangeAsync(at, either.Token);
            }
            catch (OperationCanceledException) when (!end.IsCancellationRequested)
            {
                // Quiet for a minute: only the bookmark is due.
            }

            at = await SendChangesAsync(stream, selector, at, end);
            if (at >= 0 && request.Query("allowWatchBookmarks") == "true" && time.GetElapsedTime(bookmarkedAt) >= BookmarkEvery)
            {
                await stream.BookmarkAsync(at, isInitialEnd: false, end);
                bookmarkedAt = time.GetTimestamp();
            }
        }
    }

    // Where to begin: everything as ADDED without a version or with 0, else only what comes after it.
    private async Task<long> StartAsync(Stream stream, Selector selector, bool initialEvents, CancellationToken end)
    {
        string? version = stream.Request.Query("resourceVersion");
        RuleStoreState state = store.Current;
        if (initialEvents || string.IsNullOrEmpty(version) || version == "0")
        {
            foreach (StoredRule rule in ResourceReads.Sorted(state, selector))
            {
                await stream.SendAsync("ADDED", rule, state.Revision, end);
            }

            if (initialEvents && stream.Request.Query("allowWatchBookmarks") == "true")
            {
                await stream.BookmarkAsync(state.Revision, isInitialEnd: true, end);
            }

            return state.Revision;
        }

        return long.TryParse(version, CultureInfo.InvariantCulture, out long revision) ? revision : await stream.ErrorAsync(
            new ApiError(500, "InternalError", $"Invalid value: \"{version}\": strconv.ParseUint: parsing \"{version}\": invalid syntax"), end);
    }

    private async Task<long> SendChangesAsync(Stream stream, Selector selector, long after, CancellationToken end)
    {
        if (store.ChangesAfter(after) is not { } changes)
        {
            return await stream.ErrorAsync(ApiError.Expired($"too old resource version: {after} ({store.OldestRevision})"), end);
        }

        foreach (StoreChange change in changes)
        {
            bool was = selector.Matches(change.Before);
            bool now = selector.Matches(change.After);
            if (was || now)
            {
                string type = !was ? "ADDED" : now ? "MODIFIED" : "DELETED";
                await stream.SendAsync(type, now ? change.After! : change.Before!, change.Revision, end);
            }

            after = change.Revision;
        }

        return after;
    }

    private static TimeSpan Timeout(ApiRequest request) =>
        int.TryParse(request.Query("timeoutSeconds"), CultureInfo.InvariantCulture, out int seconds) && seconds > 0 ? TimeSpan.FromSeconds(seconds) : DefaultTimeout;

    /// <summary>The lines of one watch.</summary>
    private sealed class Stream(ApiRequest request, TimeProvider time)
    {
        private bool _hasColumns;

        public ApiRequest Request => request;

        public Task SendAsync(string type, StoredRule rule, long revision, CancellationToken end)
        {
            string version = revision.ToString(CultureInfo.InvariantCulture);
            JsonObject content;
            if (Shapes.WantsTable(request))
            {
                content = Shapes.Table(request, [rule], version, withColumns: !_hasColumns, time.GetUtcNow());
                _hasColumns = true;
                if (type == "DELETED")
                {
                    content["rows"]![0]!["object"]!["metadata"]!["resourceVersion"] = version;
                }
            }
            else
            {
                content = Shapes.InVersion(request, rule.Object);
                if (type == "DELETED")
                {
                    content["metadata"]!["resourceVersion"] = version;
                }
            }

            return WriteAsync(type, content, end);
        }

        public Task BookmarkAsync(long revision, bool isInitialEnd, CancellationToken end)
        {
            JsonObject metadata = new() { ["resourceVersion"] = revision.ToString(CultureInfo.InvariantCulture) };
            if (isInitialEnd)
            {
                metadata["annotations"] = new JsonObject { ["k8s.io/initial-events-end"] = "true" };
            }

            JsonObject content = new() { ["apiVersion"] = $"{request.Kind.Group}/{request.Version}", ["kind"] = request.Kind.Kind, ["metadata"] = metadata };
            return WriteAsync("BOOKMARK", content, end);
        }

        /// <summary>Tells why the watch ends; the answer itself stays 200.</summary>
        public async Task<long> ErrorAsync(ApiError error, CancellationToken end)
        {
            await WriteAsync("ERROR", error.ToStatus(), end);
            return -1;
        }

        private async Task WriteAsync(string type, JsonObject content, CancellationToken end)
        {
            byte[] line = [.. JsonReply.Bytes(new JsonObject { ["type"] = type, ["object"] = content }), (byte)'\n'];
            await request.Http.Response.Body.WriteAsync(line, end);
            await request.Http.Response.Body.FlushAsync(end);
        }
    }
}
