using System.Globalization;
using Mesh.Proxy.Http1;
using Mesh.Proxy.Tests.Http1;
using Xunit;

namespace Mesh.Proxy.Tests.Fuzz;

/// <summary>The normalizer against a second one, slow and plain.</summary>
internal static class PathFuzz
{
    public static void Run(ReadOnlySpan<byte> input)
    {
        byte[] target = [(byte)'/', .. input];
        string? expected = Plain(Wire.Text(target));
        int length = PathNormalizer.Normalize(target);
        Assert.Equal(expected, length < 0 ? null : Wire.Text(target.AsSpan(0, length)));
        if (length >= 0)
        {
            Assert.Equal(length, PathNormalizer.Normalize(target.AsSpan(0, length)));
        }
    }

    private static string? Plain(string target)
    {
        int query = target.IndexOf('?', StringComparison.Ordinal);
        string path = query < 0 ? target : target[..query];
        string decoded = "";
        for (int i = 0; i < path.Length; i++)
        {
            if (path[i] != '%')
            {
                decoded += path[i] == '\\' ? '/' : path[i];
                continue;
            }

            if (i + 2 >= path.Length || !char.IsAsciiHexDigit(path[i + 1]) || !char.IsAsciiHexDigit(path[i + 2]) || path.AsSpan(i + 1, 2) is "00")
            {
                return null;
            }

            char value = (char)byte.Parse(path.AsSpan(i + 1, 2), NumberStyles.AllowHexSpecifier, CultureInfo.InvariantCulture);
            decoded += char.IsAsciiLetterOrDigit(value) || "-._~".Contains(value, StringComparison.Ordinal) ? value.ToString() : path.Substring(i, 3);
            i += 2;
        }

        List<string> kept = [];
        string[] segments = decoded.Split('/')[1..];
        for (int i = 0; i < segments.Length; i++)
        {
            if (segments[i] is not ("." or ".."))
            {
                kept.Add(segments[i]);
                continue;
            }

            if (segments[i] == "..")
            {
                if (kept.Count == 0)
                {
                    return null;
                }

                kept.RemoveAt(kept.Count - 1);
            }

            if (i == segments.Length - 1)
            {
                kept.Add("");
            }
        }

        return "/" + string.Join('/', kept) + (query < 0 ? "" : target[query..]);
    }
}
