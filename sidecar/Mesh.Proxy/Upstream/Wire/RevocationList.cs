using System.Formats.Asn1;
using System.Security.Cryptography;
using System.Security.Cryptography.X509Certificates;
using System.Text;

namespace Mesh.Proxy.Upstream.Wire;

/// <summary>
/// Serial numbers that authorities have taken back (RFC 5280, 5). The file is trusted as the CA file beside it is: signature and date of the list are not looked at.
/// Immutable.
/// </summary>
internal sealed class RevocationList
{
    private const string Label = "X509 CRL";
    private readonly HashSet<string> _revoked = [];

    private RevocationList()
    {
    }

    /// <summary>Reads one list (DER) or several (PEM).</summary>
    /// <exception cref="FormatException">It is none.</exception>
    public static RevocationList Read(byte[] bytes)
    {
        RevocationList list = new();
        try
        {
            if (bytes.Length > 0 && bytes[0] == 0x30)
            {
                list.Add(bytes);
                return list;
            }

            ReadOnlySpan<char> rest = Encoding.ASCII.GetString(bytes);
            bool found = false;
            while (PemEncoding.TryFind(rest, out PemFields fields))
            {
                if (rest[fields.Label].SequenceEqual(Label))
                {
                    found = true;
                    list.Add(Convert.FromBase64String(rest[fields.Base64Data].ToString()));
                }

                rest = rest[fields.Location.End..];
            }

            return found ? list : throw new FormatException("there is no certificate revocation list in it");
        }
        catch (AsnContentException broken)
        {
            throw new FormatException("there is no certificate revocation list in it", broken);
        }
    }

    /// <summary>Whether the authority that made <paramref name="certificate"/> has taken it back.</summary>
    public bool Contains(X509Certificate2 certificate) =>
        _revoked.Contains(Key(certificate.IssuerName.RawData, certificate.SerialNumberBytes.Span));

    private static string Key(ReadOnlySpan<byte> issuer, ReadOnlySpan<byte> serial) => $"{Convert.ToHexString(issuer)}/{Convert.ToHexString(serial.TrimStart((byte)0))}";

    private void Add(byte[] encoded)
    {
        AsnReader body = new AsnReader(encoded, AsnEncodingRules.DER).ReadSequence().ReadSequence();
        if (body.PeekTag().HasSameClassAndValue(Asn1Tag.Integer))
        {
            body.ReadInteger(); // version
        }

        body.ReadSequence(); // algorithm
        ReadOnlySpan<byte> issuer = body.ReadEncodedValue().Span;
        ReadTime(body); // made
        if (body.HasData && body.PeekTag() is { TagClass: TagClass.Universal, TagValue: (int)UniversalTagNumber.UtcTime or (int)UniversalTagNumber.GeneralizedTime })
        {
            ReadTime(body); // next one
        }

        if (!body.HasData || !body.PeekTag().HasSameClassAndValue(Asn1Tag.Sequence))
        {
            return; // nothing was taken back
        }

        AsnReader entries = body.ReadSequence();
        while (entries.HasData)
        {
            _revoked.Add(Key(issuer, entries.ReadSequence().ReadIntegerBytes().Span));
        }
    }

    private static void ReadTime(AsnReader body) => body.ReadEncodedValue();
}
