using System.Collections.Immutable;
using System.Globalization;
using System.Text.Json.Nodes;
using Mesh.ControlPlane.Store;
using Mesh.Rules.Reading;

namespace Mesh.ControlPlane.Api;

/// <summary>Which state a list is of: <c>resourceVersion</c> and <c>resourceVersionMatch</c>, as an API server takes them.</summary>
internal sealed class ListVersion(RuleStore store, TimeProvider time)
{
    /// <summary>How long a list waits for a version that is not there yet.</summary>
    public static readonly TimeSpan Patience = TimeSpan.FromSeconds(3);

    private const string Exact = "Exact";
    private const string NotOlderThan = "NotOlderThan";

    /// <summary>422 when the match of a list asks for what there is not.</summary>
    public static void Check(ApiRequest request)
    {
        string version = request.Query("resourceVersion") ?? "";
        string match = request.Query("resourceVersionMatch") ?? "";
        string? problem = match.Length == 0 ? null
            : version.Length == 0 ? "Forbidden: resourceVersionMatch is forbidden unless resourceVersion is provided"
            : request.Query("continue") is { Length: > 0 } ? "Forbidden: resourceVersionMatch is forbidden when continue is provided"
            : match is not (Exact or NotOlderThan) ? $"Unsupported value: \"{match}\": supported values: \"{Exact}\", \"{NotOlderThan}\""
            : match == Exact && version == "0" ? "Forbidden: resourceVersionMatch \"exact\" is forbidden for resourceVersion \"0\""
            : null;
        if (problem is not null)
        {
            throw new ApiError(422, "Invalid", $"ListOptions.meta.k8s.io \"\" is invalid: resourceVersionMatch: {problem}");
        }
    }

    /// <summary>The state to list. Waits a little for one that is to come; what is asked for and cannot be had is thrown.</summary>
    public async Task<RuleStoreState> StateAsync(ApiRequest request, int limit)
    {
        Check(request);
        string version = request.Query("resourceVersion") ?? "";
        if (version is "" or "0" || request.Query("continue") is { Length: > 0 })
        {
            return store.Current;
        }

        if (!long.TryParse(version, NumberStyles.None, CultureInfo.InvariantCulture, out long revision))
        {
            throw ApiError.BadRequest($"resourceVersion: Invalid value: \"{version}\": it is no version of a list; leave it out");
        }

        RuleStoreState state = await ReachAsync(revision, request);
        string match = request.Query("resourceVersionMatch") ?? (limit < int.MaxValue ? Exact : NotOlderThan); // with pages an old rule: then it is exact
        return match == Exact ? AsOf(revision, state) : state;
    }

    private async Task<RuleStoreState> ReachAsync(long revision, ApiRequest request)
    {
        using CancellationTokenSource late = new(Patience, time);
        using CancellationTokenSource either = CancellationTokenSource.CreateLinkedTokenSource(late.Token, request.Http.RequestAborted);
        RuleStoreState state = store.Current;
        while (state.Revision < revision)
        {
            await store.WaitForChangeAsync(state.Revision, either.Token).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
            request.Http.RequestAborted.ThrowIfCancellationRequested();
            state = store.Current;
            if (late.IsCancellationRequested && state.Revision < revision)
            {
                request.Http.Response.Headers.RetryAfter = "1";
                throw new ApiError(504, "Timeout", string.Create(CultureInfo.InvariantCulture, $"Timeout: Too large resource version: {revision}, current: {state.Revision}"), new JsonObject
                {
                    ["causes"] = new JsonArray(new JsonObject { ["reason"] = "ResourceVersionTooLarge", ["message"] = "Too large resource version" }),
                    ["retryAfterSeconds"] = 1,
                });
            }
        }

        return state;
    }

    /// <summary>The state as it was, by taking back what happened since.</summary>
    private RuleStoreState AsOf(long revision, RuleStoreState state)
    {
        if (store.ChangesAfter(revision) is not { } changes)
        {
            throw ApiError.Expired("The provided resource version is too old to display a consistent list; list without it");
        }

        ImmutableDictionary<RuleKey, StoredRule>.Builder rules = state.Rules.ToBuilder();
        foreach (StoreChange change in changes.Where(c => c.Revision <= state.Revision).Reverse())
        {
            RuleKey key = (change.Before ?? change.After)!.Key;
            if (change.Before is { } before)
            {
                rules[key] = before;
            }
            else
            {
                rules.Remove(key);
            }
        }

        return new RuleStoreState(revision, rules.ToImmutable());
    }
}
