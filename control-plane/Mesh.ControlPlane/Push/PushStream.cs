using Mesh.Rules.Wire;

namespace Mesh.ControlPlane.Push;

/// <summary>
/// Decides what one open stream is sent next. It remembers what was sent last and compares; so a slow reader gets fewer, larger deltas, never a
/// growing queue. Used by one connection.
/// </summary>
internal sealed class PushStream
{
    private readonly PushHub _hub;
    private readonly string _namespace;
    private readonly bool _holdsForeignState;
    private MeshContent _sent;
    private bool _needsFull;

    /// <summary>A stream to a sidecar of that namespace.</summary>
    /// <param name="hub">The versions.</param>
    /// <param name="clientNamespace">Decides which rules are sent.</param>
    /// <param name="lastEventId">Version the sidecar has; empty when it has none.</param>
    public PushStream(PushHub hub, string clientNamespace, string lastEventId)
    {
        MeshContent? known = lastEventId.Length == 0 ? null : hub.Find(lastEventId);
        _hub = hub;
        _namespace = clientNamespace;
        _sent = known ?? MeshContent.Empty;
        _needsFull = known is null;
        _holdsForeignState = known is null && lastEventId.Length > 0;
    }

    /// <summary>The push that brings the sidecar to <paramref name="current"/>, with the content it then has; null when there is nothing to send.</summary>
    public (PushMessage Push, MeshContent Content)? Next(MeshContent current)
    {
        // Read once: the grace may end between two looks, and the wake that follows brings us here again.
        bool mayRemove = _hub.IsSettled || !_holdsForeignState;
        if (_needsFull && mayRemove)
        {
            _needsFull = false;
            _sent = current;
            return (_hub.Pushes.Full(current, _namespace), current);
        }

        // Before that a sidecar with state of a former run gets rules only, and keeps the endpoints it has.
        MeshContent target = _needsFull ? _hub.Pushes.RulesOnly(current) : current;
        PushMessage? push = _hub.Pushes.Between(_sent, target, _namespace);
        _sent = target;
        return push is null ? null : (push, target);
    }
}
