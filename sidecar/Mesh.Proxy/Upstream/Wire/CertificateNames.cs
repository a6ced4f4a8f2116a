using System.Formats.Asn1;
using System.Net;
using System.Security.Cryptography.X509Certificates;

namespace Mesh.Proxy.Upstream.Wire;

/// <summary>Whether a certificate is for a name that is expected: its subject alternative names alone count, as in Envoy. Pure.</summary>
internal static class CertificateNames
{
    private const string AlternativeNames = "2.5.29.17";
    private const int Email = 1;
    private const int Dns = 2;
    private const int Uri = 6;
    private const int Ip = 7;

    /// <summary>Whether one of the certificate's names is one of <paramref name="expected"/>.</summary>
    /// <param name="certificate">The certificate.</param>
    /// <param name="expected">DNS names, IPs, URIs or mail addresses, one a line; <c>*.suffix</c> is any name below it.</param>
    public static bool HasOneOf(X509Certificate2 certificate, string expected)
    {
        List<(int Kind, string Name)> names = NamesOf(certificate);
        foreach (Range line in expected.AsSpan().Split('\n'))
        {
            ReadOnlySpan<char> wanted = expected.AsSpan(line);
            foreach ((int kind, string name) in names)
            {
                if (kind switch
                {
                    Dns => IsDnsMatch(name, wanted),
                    Email => wanted.Equals(name, StringComparison.OrdinalIgnoreCase),
                    _ => wanted.SequenceEqual(name) || (kind == Ip && IPAddress.TryParse(wanted, out IPAddress? ip) && ip.ToString() == name),
                })
                {
                    return true;
                }
            }
        }

        return false;
    }

    /// <summary>The names for a message.</summary>
    public static string Describe(X509Certificate2 certificate)
    {
        List<(int Kind, string Name)> names = NamesOf(certificate);
        return names.Count == 0 ? "no name" : string.Join(", ", names.Select(static n => n.Name));
    }

    // A certificate's wildcard stands for one whole label (RFC 6125, 6.4.3). Ours, for a service entry of many hosts, for one or more.
    private static bool IsDnsMatch(ReadOnlySpan<char> name, ReadOnlySpan<char> wanted)
    {
        if (name.Equals(wanted, StringComparison.OrdinalIgnoreCase))
        {
            return true;
        }

        if (wanted.StartsWith("*."))
        {
            return name.Length > wanted.Length - 1 && name.EndsWith(wanted[1..], StringComparison.OrdinalIgnoreCase);
        }

        int dot = wanted.IndexOf('.');
        return name.StartsWith("*.") && dot > 0 && name[1..].Equals(wanted[dot..], StringComparison.OrdinalIgnoreCase);
    }

    private static List<(int Kind, string Name)> NamesOf(X509Certificate2 certificate)
    {
        List<(int, string)> names = [];
        foreach (X509Extension extension in certificate.Extensions)
        {
            if (extension.Oid?.Value == AlternativeNames)
            {
                Read(extension.RawData, names);
            }
        }

        return names;
    }

    private static void Read(byte[] encoded, List<(int Kind, string Name)> names)
    {
        try
        {
            AsnReader list = new AsnReader(encoded, AsnEncodingRules.DER).ReadSequence();
            while (list.HasData)
            {
                Asn1Tag tag = list.PeekTag();
                int kind = tag.TagClass == TagClass.ContextSpecific ? tag.TagValue : -1;
                if (kind is Email or Dns or Uri)
                {
                    names.Add((kind, list.ReadCharacterString(UniversalTagNumber.IA5String, tag)));
                }
                else if (kind == Ip && list.ReadOctetString(tag) is { Length: 4 or 16 } ip)
                {
                    names.Add((kind, new IPAddress(ip).ToString()));
                }
                else if (kind != Ip)
                {
                    list.ReadEncodedValue();
                }
            }
        }
        catch (AsnContentException)
        {
            names.Clear(); // a broken list names nobody
        }
    }
}
