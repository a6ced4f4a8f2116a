using System.Runtime.CompilerServices;
using System.Text;

namespace Mesh.Proxy.Telemetry;

/// <summary>A fixed number of decisions, the newest over the oldest. Its memory comes with the first one. Not thread-safe.</summary>
/// <param name="size">How many.</param>
internal sealed class DecisionRing(int size)
{
    private const int MaxId = 64;
    private const int MaxMethod = 16;
    private const int MaxAuthority = 64;
    private const int MaxPath = 96;

    private Slot[]? _slots;
    private long _added;

    /// <summary>Writes over the oldest.</summary>
    public void Add(in DecisionRecord decision, in DecidedRequest request)
    {
        _slots ??= new Slot[size];
        ref Slot slot = ref _slots[_added++ % size];
        slot.Decision = decision;
        (slot.At, slot.Taken) = (request.At, request.Taken);
        (slot.Cluster, slot.Endpoint, slot.Outcome) = (request.Cluster, request.Endpoint, request.Outcome);
        (slot.Breaker, slot.Fallback, slot.RetryAfter) = (request.Breaker, request.Fallback, request.RetryAfterSeconds);
        (slot.Status, slot.Flag, slot.Attempts, slot.IsInbound) = (request.Status, request.Flag, request.Attempts, request.IsInbound);
        slot.Load = request.Load;
        int query = request.Path.IndexOf((byte)'?');
        Span<byte> text = slot.Text;
        slot.Id = Copy(request.RequestId, MaxId, ref text);
        slot.Method = Copy(request.Method, MaxMethod, ref text);
        slot.Authority = Copy(request.Authority, MaxAuthority, ref text);
        slot.Path = Copy(query < 0 ? request.Path : request.Path[..query], MaxPath, ref text);
    }

    /// <summary>How many it holds.</summary>
    public int Count => (int)Math.Min(_added, size);

    /// <summary>As much of an x-request-id as is kept.</summary>
    public static byte[] IdOf(string requestId) => Encoding.Latin1.GetBytes(requestId.Length > MaxId ? requestId[..MaxId] : requestId);

    /// <summary>Adds to <paramref name="found"/>, oldest first, copies of what is about <paramref name="wanted"/>; all of it for null. Makes no text.</summary>
    public void CopyTo(List<Slot> found, byte[]? wanted)
    {
        for (long i = Math.Max(0, _added - size); i < _added; i++)
        {
            ref Slot slot = ref _slots![i % size];
            if (wanted is null || ((ReadOnlySpan<byte>)slot.Text)[..slot.Id].SequenceEqual(wanted))
            {
                found.Add(slot);
            }
        }
    }

    private static byte Copy(ReadOnlySpan<byte> from, int most, ref Span<byte> to)
    {
        from = from[..Math.Min(from.Length, most)];
        from.CopyTo(to);
        to = to[from.Length..];
        return (byte)from.Length;
    }

    /// <summary>A copy as somebody reads it.</summary>
    public static LoggedDecision View(in Slot slot)
    {
        ReadOnlySpan<byte> text = slot.Text;
        string id = Take(ref text, slot.Id);
        string method = Take(ref text, slot.Method);
        string authority = Take(ref text, slot.Authority);
        return new LoggedDecision(slot.Decision, slot.At, id, method, authority, Take(ref text, slot.Path))
        {
            IsInbound = slot.IsInbound,
            Cluster = slot.Cluster,
            Endpoint = slot.Endpoint,
            Status = slot.Status,
            Flag = slot.Flag,
            Outcome = slot.Outcome,
            Attempts = slot.Attempts,
            Taken = slot.Taken,
            Breaker = slot.Breaker,
            RetryAfterSeconds = slot.RetryAfter,
            Fallback = slot.Fallback,
            Load = slot.Load,
        };
    }

    private static string Take(ref ReadOnlySpan<byte> text, int length)
    {
        string taken = Encoding.Latin1.GetString(text[..length]);
        text = text[length..];
        return taken;
    }

    [InlineArray(MaxId + MaxMethod + MaxAuthority + MaxPath)]
    internal struct Bytes
    {
        private byte _first;
    }

    internal struct Slot
    {
        public DecisionRecord Decision;
        public DateTimeOffset At;
        public TimeSpan Taken;
        public string? Cluster;
        public string? Endpoint;
        public string Outcome;
        public string? Breaker;
        public string? Fallback;
        public ClusterLoad Load;
        public int RetryAfter;
        public int Status;
        public int Attempts;
        public ResponseFlag Flag;
        public bool IsInbound;
        public byte Id;
        public byte Method;
        public byte Authority;
        public byte Path;
        public Bytes Text;
    }
}
