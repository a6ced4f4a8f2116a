using System.Buffers.Binary;
using System.Text;

namespace Mesh.Proxy.Tests.Middleware;

/// <summary>ClientHellos by hand, so that every part of them can be wrong.</summary>
internal static class Hello
{
    /// <summary>One in one record; null leaves the extension out.</summary>
    public static byte[] For(string? name, params string[] protocols)
    {
        byte[] server = name is null ? [] : Extension(0, ServerName(name));
        byte[] alpn = protocols.Length == 0 ? [] : Extension(16, Sized16([.. protocols.SelectMany(static p => Sized8(Encoding.Latin1.GetBytes(p)))]));
        return Record(Message(Extension(43, [2, 3, 4]), server, alpn));
    }

    /// <summary>The name in the form of its extension.</summary>
    public static byte[] ServerName(string name) => Sized16([0, .. Sized16(Encoding.Latin1.GetBytes(name))]);

    public static byte[] Extension(ushort kind, byte[] value) => [.. Number(kind), .. Sized16(value)];

    /// <summary>The handshake message with these extensions.</summary>
    public static byte[] Message(params byte[][] extensions) => Raw([.. Body, .. Sized16([.. extensions.SelectMany(static e => e)])]);

    /// <summary>A handshake message with any body.</summary>
    public static byte[] Raw(byte[] body, byte kind = 1) => [kind, (byte)(body.Length >> 16), .. Number((ushort)body.Length), .. body];

    /// <summary>Version, random, session, cipher suites, compressions.</summary>
    public static byte[] Body => [3, 3, .. Enumerable.Repeat((byte)7, 32), .. Sized8(new byte[32]), .. Sized16([0x13, 1, 0x13, 2]), .. Sized8([0])];

    public static byte[] Record(byte[] payload, byte kind = 22) => [kind, 3, 1, .. Sized16(payload)];

    /// <summary>The message split into records of at most so many bytes.</summary>
    public static byte[] Records(byte[] message, int most) => [.. message.Chunk(most).SelectMany(static piece => Record(piece))];

    public static byte[] Sized8(byte[] bytes) => [(byte)bytes.Length, .. bytes];

    public static byte[] Sized16(byte[] bytes) => [.. Number((ushort)bytes.Length), .. bytes];

    private static byte[] Number(ushort number)
    {
        byte[] bytes = new byte[2];
        BinaryPrimitives.WriteUInt16BigEndian(bytes, number);
        return bytes;
    }
}
