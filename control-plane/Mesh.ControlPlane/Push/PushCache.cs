using System.Buffers;
using Mesh.Rules.Wire;

namespace Mesh.ControlPlane.Push;

/// <summary>
/// The last pushes that were made, and their text. Streams at the same version that see the same rules need the same push: it is compared and written once, not
/// a thousand times when a thousand sidecars come back. Thread-safe; who asks for what is being made waits for it.
/// </summary>
internal sealed class PushCache
{
    /// <summary>Pushes that are kept.</summary>
    public const int Capacity = 16;

    private readonly Lock _gate = new();
    private readonly LinkedList<Entry> _entries = [];
    private (MeshContent Of, MeshContent Rules)? _rulesOnly;

    /// <summary>The whole set for sidecars of that namespace.</summary>
    public PushMessage Full(MeshContent content, string clientNamespace) => Find(null, content, clientNamespace).Push.Value!;

    /// <summary>What changed for sidecars of that namespace, or null when nothing did.</summary>
    public PushMessage? Between(MeshContent from, MeshContent to, string clientNamespace) => Find(from, to, clientNamespace).Push.Value;

    /// <summary>A content without its services, the same object for all who ask while it is the newest: pushes are told apart by what they are made of.</summary>
    public MeshContent RulesOnly(MeshContent content)
    {
        lock (_gate)
        {
            if (_rulesOnly is not { } known || !ReferenceEquals(known.Of, content))
            {
                known = (content, content.RulesOnly());
                _rulesOnly = known;
            }

            return known.Rules;
        }
    }

    /// <summary>A push as an event of the stream, in UTF-8.</summary>
    public ReadOnlyMemory<byte> EventOf(PushMessage push)
    {
        Entry? made;
        lock (_gate)
        {
            made = _entries.FirstOrDefault(e => e.Push.IsValueCreated && ReferenceEquals(e.Push.Value, push));
        }

        return made is null ? Write(push) : made.Text.Value;
    }

    private static ReadOnlyMemory<byte> Write(PushMessage push)
    {
        ArrayBufferWriter<byte> text = new();
        SseWriter.WriteEvent(text, push.Version, SseWriter.PushEvent, PushMessageWriter.Write(push));
        return text.WrittenMemory;
    }

    private Entry Find(MeshContent? from, MeshContent to, string clientNamespace)
    {
        string sees = to.IsSeenAlike && from?.IsSeenAlike != false ? "" : clientNamespace; // no namespace is called that
        lock (_gate)
        {
            foreach (Entry entry in _entries)
            {
                if (ReferenceEquals(entry.From, from) && ReferenceEquals(entry.To, to) && entry.Sees == sees)
                {
                    return entry;
                }
            }

            Entry made = new(from, to, sees);
            _entries.AddFirst(made);
            if (_entries.Count > Capacity)
            {
                _entries.RemoveLast();
            }

            return made;
        }
    }

    private sealed class Entry
    {
        public Entry(MeshContent? from, MeshContent to, string sees)
        {
            (From, To, Sees) = (from, to, sees);
            Push = new Lazy<PushMessage?>(() => from is null ? ContentDiff.Full(to, sees) : ContentDiff.Between(from, to, sees));
            Text = new Lazy<ReadOnlyMemory<byte>>(() => Write(Push.Value!));
        }

        public MeshContent? From { get; }

        public MeshContent To { get; }

        public string Sees { get; }

        public Lazy<PushMessage?> Push { get; }

        public Lazy<ReadOnlyMemory<byte>> Text { get; }
    }
}
