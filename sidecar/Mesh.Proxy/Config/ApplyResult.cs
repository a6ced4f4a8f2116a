using Mesh.Rules.Snapshots;

namespace Mesh.Proxy.Config;

/// <summary>How applying a snapshot ended.</summary>
/// <param name="Version">Version of the snapshot.</param>
/// <param name="Errors">Why it was refused; empty when it is in force. A refused snapshot has changed nothing.</param>
/// <param name="ListenerProblems">Listeners that could not be bound; the rest of the snapshot is in force all the same.</param>
public sealed record ApplyResult(
    string Version, IReadOnlyList<string> Errors, IReadOnlyList<(ListenerConfig Listener, string Problem)> ListenerProblems)
{
    /// <summary>Whether the snapshot is in force (ACK).</summary>
    public bool IsAccepted => Errors.Count == 0;
}
