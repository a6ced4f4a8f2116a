using System.Net;

namespace Mesh.Rules.Resolution;

/// <summary>Addresses as rules write them: one IP, or a CIDR block. Pure.</summary>
internal static class AddressBlock
{
    /// <summary>The block that <paramref name="text"/> names. As in Istio the bits behind the prefix may be set: <c>10.1.2.3/8</c> is <c>10.0.0.0/8</c>.</summary>
    public static bool TryParse(string? text, out IPNetwork block)
    {
        block = default;
        int slash = text?.IndexOf('/') ?? -1;
        if (!IPAddress.TryParse(slash < 0 ? text : text.AsSpan(0, slash), out IPAddress? address))
        {
            return false;
        }

        byte[] bytes = address.GetAddressBytes();
        int length = bytes.Length * 8;
        if (slash >= 0 && (!byte.TryParse(text.AsSpan(slash + 1), out byte written) || (length = written) > bytes.Length * 8))
        {
            return false;
        }

        for (int i = 0; i < bytes.Length; i++)
        {
            int kept = Math.Clamp(length - (i * 8), 0, 8);
            bytes[i] &= (byte)(0xff << (8 - kept));
        }

        block = new IPNetwork(new IPAddress(bytes), length);
        return true;
    }
}
