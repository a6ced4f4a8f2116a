using System.Buffers;
using System.IO.Compression;
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

    private static readonly ReadOnlyMemory<byte> Ping = Made(SseWriter.WritePing, isCompressed: false);
    private static readonly ReadOnlyMemory<byte> CompressedPing = Made(SseWriter.WritePing, isCompressed: true);

    private readonly Lock _gate = new();
    private readonly LinkedList<Entry> _entries = [];
    private (MeshContent Of, MeshContent Rules)? _rulesOnly;

    /// <summary>Taken by whoever asks on behalf of a stream, for as long as it asks.</summary>
    public SemaphoreSlim Turn { get; } = new(1, 1);

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
    /// <param name="push">The push.</param>
    /// <param name="isCompressed">As a whole gzip member: members after each other are one gzip stream (RFC 1952), so one compression serves every stream.</param>
    public ReadOnlyMemory<byte> EventOf(PushMessage push, bool isCompressed = false)
    {
        Entry? made;
        lock (_gate)
        {
            made = _entries.FirstOrDefault(e => e.Push.IsValueCreated && ReferenceEquals(e.Push.Value, push));
        }

        return made is null ? Write(push, isCompressed) : (isCompressed ? made.Compressed : made.Text).Value;
    }

    /// <summary>The same of a comment, which keeps a silent stream alive.</summary>
    public static ReadOnlyMemory<byte> PingOf(bool isCompressed) => isCompressed ? CompressedPing : Ping;

    /// <summary>What <paramref name="write"/> writes, plain or as a whole gzip member.</summary>
    public static ReadOnlyMemory<byte> Made(Action<IBufferWriter<byte>> write, bool isCompressed)
    {
        ArrayBufferWriter<byte> text = new();
        write(text);
        if (!isCompressed)
        {
            return text.WrittenMemory;
        }

        using MemoryStream compressed = new();
        using (GZipStream member = new(compressed, CompressionLevel.Fastest))
        {
            member.Write(text.WrittenSpan);
        }

        return compressed.ToArray();
    }

    private static ReadOnlyMemory<byte> Write(PushMessage push, bool isCompressed) =>
        Made(text => SseWriter.WriteEvent(text, push.Version, SseWriter.PushEvent, PushMessageWriter.Write(push)), isCompressed);

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
            Text = new Lazy<ReadOnlyMemory<byte>>(() => Write(Push.Value!, isCompressed: false));
            Compressed = new Lazy<ReadOnlyMemory<byte>>(() => Write(Push.Value!, isCompressed: true));
        }

        public MeshContent? From { get; }

        public MeshContent To { get; }

        public string Sees { get; }

        public Lazy<PushMessage?> Push { get; }

        public Lazy<ReadOnlyMemory<byte>> Text { get; }

        public Lazy<ReadOnlyMemory<byte>> Compressed { get; }
    }
}
