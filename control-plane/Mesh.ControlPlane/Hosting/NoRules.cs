using System.Collections.Immutable;
using System.Text.Json.Nodes;
using Mesh.ControlPlane.Store;
using Mesh.Rules.Reading;

namespace Mesh.ControlPlane.Hosting;

/// <summary>A store without rules: sidecars find each other, nothing limits them.</summary>
internal sealed class NoRules : IRuleStore
{
    /// <inheritdoc/>
    public RuleStoreState Current { get; } = new(0, ImmutableDictionary<RuleKey, StoredRule>.Empty);

    /// <inheritdoc/>
    public Task WaitForChangeAsync(long revision, CancellationToken cancellationToken) =>
        Task.Delay(Timeout.InfiniteTimeSpan, TimeProvider.System, cancellationToken);

    /// <inheritdoc/>
    public bool TrySetStatus(RuleKey key, string uid, JsonObject status) => false;
}
