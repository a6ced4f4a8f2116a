using System.Collections.Immutable;
using Mesh.Rules.Wire;

namespace Mesh.ControlPlane.Push;

/// <summary>What a sidecar runs, as far as it said so. Immutable.</summary>
/// <param name="Running">The newest content it accepted; null before its first answer.</param>
/// <param name="SentVersion">The last version sent.</param>
/// <param name="AckedVersion">The last version accepted.</param>
/// <param name="NackedVersion">The last version refused, if that is its last answer; else empty.</param>
/// <param name="Findings">Findings of its last answer.</param>
/// <param name="Streams">Streams open to it.</param>
internal sealed record SessionView(
    MeshContent? Running,
    string SentVersion,
    string AckedVersion,
    string NackedVersion,
    ImmutableArray<SidecarFinding> Findings,
    int Streams);

/// <summary>One sidecar's side of the conversation: what was sent, what it answered. Thread-safe.</summary>
/// <param name="id">Id of the sidecar.</param>
/// <param name="clientNamespace">Its namespace, which decides which rules it sees.</param>
internal sealed class PushSession(string id, string clientNamespace)
{
    private const int MaxUnanswered = 16;
    private readonly Lock _gate = new();
    private readonly List<(MeshContent Content, long SentAt)> _unanswered = [];
    private volatile SessionView _view = new(null, "", "", "", [], 0);

    /// <summary>Id of the sidecar.</summary>
    public string Id => id;

    /// <summary>Namespace of the sidecar.</summary>
    public string Namespace => clientNamespace;

    /// <summary>What it runs.</summary>
    public SessionView View => _view;

    /// <summary>A stream began (1) or ended (-1).</summary>
    public void CountStream(int change)
    {
        lock (_gate)
        {
            _view = _view with { Streams = _view.Streams + change };
        }
    }

    /// <summary>A push of <paramref name="content"/> is about to be sent.</summary>
    public void Sent(MeshContent content, long now)
    {
        lock (_gate)
        {
            if (_unanswered.Count == MaxUnanswered)
            {
                _unanswered.RemoveAt(0); // somebody reads and never answers, as curl does
            }

            _unanswered.Add((content, now));
            _view = _view with { SentVersion = content.Version };
        }
    }

    /// <summary>
    /// Takes an answer. A refusal that names rules means that the rest runs; one that names none means that nothing of the version does.
    /// </summary>
    /// <returns>Timestamp at which the version was sent; null when it was not sent by this process, and the answer says nothing.</returns>
    public long? Answer(SidecarAck ack)
    {
        lock (_gate)
        {
            int index = _unanswered.FindLastIndex(sent => sent.Content.Version == ack.Version);
            if (index < 0)
            {
                return null;
            }

            (MeshContent content, long sentAt) = _unanswered[index];
            _unanswered.RemoveRange(0, index + 1);
            bool runs = ack.Accepted
                || (!ack.Findings.IsDefaultOrEmpty && ack.Findings.All(static f => f.Severity != "error" || f.Rule.Length > 0));
            _view = _view with
            {
                Running = runs ? content : _view.Running,
                AckedVersion = ack.Accepted ? ack.Version : _view.AckedVersion,
                NackedVersion = ack.Accepted ? "" : ack.Version,
                Findings = ack.Findings.IsDefault ? [] : ack.Findings,
            };
            return sentAt;
        }
    }

    /// <summary>A sidecar that came back says which version it has in force; it does not answer that version twice.</summary>
    public void Resumed(MeshContent content)
    {
        lock (_gate)
        {
            if (_view.Running is null)
            {
                _view = _view with { Running = content, AckedVersion = content.Version };
            }
        }
    }
}
