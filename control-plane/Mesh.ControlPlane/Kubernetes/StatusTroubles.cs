using Mesh.Rules.Reading;

namespace Mesh.ControlPlane.Kubernetes;

/// <summary>
/// Failures of single statuses. Each waits for itself; when three rules of one kind and namespace fail and none succeeds it is not about the rule (a right that is
/// missing, a schema that refuses), and all of them wait, so that thousands do not ask in vain. Used by one loop.
/// </summary>
internal sealed class StatusTroubles(TimeProvider time, Random random)
{
    /// <summary>Pause after a refusal for want of rights: a person must mend it.</summary>
    public static readonly TimeSpan RightsPause = TimeSpan.FromMinutes(1);

    private const int Row = 3;
    private static readonly TimeSpan Longest = TimeSpan.FromMinutes(5);

    private readonly Dictionary<(string Kind, string Namespace), Scope> _scopes = [];

    /// <summary>How long all rules of that kind and namespace wait; null when they do not.</summary>
    public TimeSpan? Left(RuleKey key) =>
        _scopes.TryGetValue((key.Kind, key.Namespace), out Scope? scope) && scope.Failed.Count >= Row ? time.GetElapsedTime(time.GetTimestamp(), scope.Until) : null;

    /// <summary>One more failure: how long the rule is to wait, and whether that is news.</summary>
    public (TimeSpan Pause, bool IsNew) Count(RuleKey key, StatusWish wish, ApiFailure failure)
    {
        if (!_scopes.TryGetValue((key.Kind, key.Namespace), out Scope? scope))
        {
            _scopes[(key.Kind, key.Namespace)] = scope = new Scope();
        }

        int failures = Math.Max(wish.Failures, scope.Tries - 1);
        TimeSpan most = TimeSpan.FromSeconds(1L << Math.Min(failures + 1, 10));
        most = failure.Kind == FailureKind.Forbidden ? RightsPause : most < Longest ? most : Longest;
        TimeSpan pause = (most / 2) + (most / 2 * random.NextDouble());
        bool isFirst = scope.Failed.Count == 0;
        scope.Failed.Add(key);
        scope.Tries += scope.Failed.Count >= Row ? 1 : 0;
        scope.Until = time.GetTimestamp() + (long)(pause.TotalSeconds * time.TimestampFrequency);
        return (pause, isFirst && wish.Said != failure.Code);
    }

    /// <summary>A status of that kind and namespace was written.</summary>
    public void Mend(RuleKey key) => _scopes.Remove((key.Kind, key.Namespace));

    private sealed class Scope
    {
        /// <summary>Rules that failed since one succeeded: a single one that is tried again and again says nothing of the others.</summary>
        public HashSet<RuleKey> Failed { get; } = [];

        /// <summary>Failures since it is not about one rule.</summary>
        public int Tries { get; set; }

        public long Until { get; set; }
    }
}
