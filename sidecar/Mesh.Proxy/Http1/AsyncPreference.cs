using System.Buffers.Text;

namespace Mesh.Proxy.Http1;

/// <summary>What the Prefer fields of a request say about late answers (RFC 7240, 4.1 and 4.3); other preferences are the application's.</summary>
/// <param name="IsAsync">It may be answered 202.</param>
/// <param name="Wait">How long its caller would wait before that; null when it does not say.</param>
internal readonly record struct AsyncPreference(bool IsAsync, TimeSpan? Wait)
{
    /// <summary>Reads the fields; of a preference that is there twice the first counts.</summary>
    public static AsyncPreference Of(HeaderBlock headers)
    {
        AsyncPreference read = default;
        for (int i = 0; i < headers.Count; i++)
        {
            if (KnownHeaders.Is(headers.Name(i), "prefer"u8))
            {
                ReadOnlySpan<byte> list = headers.Value(i);
                foreach (Range part in list.Split((byte)','))
                {
                    read = read.And(list[part].Trim(" \t"u8));
                }
            }
        }

        return read;
    }

    private AsyncPreference And(ReadOnlySpan<byte> preference)
    {
        int end = preference.IndexOf((byte)';'); // parameters follow, which neither of the two has
        preference = (end < 0 ? preference : preference[..end]).TrimEnd(" \t"u8);
        if (KnownHeaders.Is(preference, "respond-async"u8))
        {
            return this with { IsAsync = true };
        }

        int equals = preference.IndexOf((byte)'=');
        bool isWait = equals > 0 && Wait is null && KnownHeaders.Is(preference[..equals].TrimEnd(" \t"u8), "wait"u8);
        ReadOnlySpan<byte> value = isWait ? preference[(equals + 1)..].Trim(" \t\""u8) : default;
        return Utf8Parser.TryParse(value, out uint seconds, out int used) && used == value.Length ? this with { Wait = TimeSpan.FromSeconds(seconds) } : this;
    }
}
