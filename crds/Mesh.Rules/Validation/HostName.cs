namespace Mesh.Rules.Validation;

/// <summary>Checks of domain names, with Istio's texts. Pure.</summary>
public static class HostName
{
    private const int MaxLabel = 63;
    private const int MaxDomain = 255;

    /// <summary>Checks a host that may be <c>*</c> or begin with a wildcard label.</summary>
    /// <returns>Null when good, else what is wrong.</returns>
    public static string? CheckWildcard(string host)
    {
        if (CheckLength(host) is { } problem)
        {
            return problem;
        }

        int dot = host.IndexOf('.', StringComparison.Ordinal);
        string first = dot < 0 ? host : host[..dot];
        string rest = first.StartsWith("*-", StringComparison.Ordinal) ? first[2..] : first is ['*', ..] ? first[1..] : first;
        if (first != "*" && !IsLabel(rest))
        {
            return Invalid(host, first);
        }

        return dot < 0 ? null : CheckLabels(host, host[(dot + 1)..]);
    }

    /// <summary>Checks a fully or partly qualified name without wildcard.</summary>
    /// <returns>Null when good, else what is wrong.</returns>
    public static string? Check(string host) => CheckLength(host) ?? CheckLabels(host, host);

    /// <summary>Whether it is a DNS-1123 label in any letter case, as Istio takes it.</summary>
    public static bool IsLabel(string text) =>
        text.Length is > 0 and <= MaxLabel && text.All(static c => char.IsAsciiLetterOrDigit(c) || c == '-') && text[0] != '-' && text[^1] != '-';

    /// <summary>Whether it is a DNS-1123 label in lower case, as Kubernetes wants its namespaces.</summary>
    internal static bool IsLowerLabel(string text) => IsLabel(text) && !text.Any(char.IsAsciiLetterUpper);

    /// <summary>Whether it is a DNS-1123 subdomain, as Kubernetes wants its names.</summary>
    internal static bool IsSubdomain(string text) =>
        text.Length <= 253 && text.Split('.').All(static label =>
            label.Length > 0 && label.All(static c => char.IsAsciiLetterLower(c) || char.IsAsciiDigit(c) || c == '-')
            && label[0] != '-' && label[^1] != '-');

    private static string? CheckLength(string host) => host.Length switch
    {
        0 => "empty domain name not allowed",
        > MaxDomain => $"domain name \"{host[..40]}...\" too long (max {MaxDomain})",
        _ => null,
    };

    private static string? CheckLabels(string host, string domain)
    {
        string[] labels = domain.Split('.');
        string top = labels[^1];
        if (top.Length > 0 && top.All(char.IsAsciiDigit))
        {
            return $"domain name \"{host}\" invalid (top level domain \"{top}\" cannot be all-numeric)";
        }

        for (int i = 0; i < labels.Length; i++)
        {
            bool rootDot = i == labels.Length - 1 && i > 0 && labels[i].Length == 0;
            if (!rootDot && !IsLabel(labels[i]))
            {
                return Invalid(host, labels[i]);
            }
        }

        return null;
    }

    private static string Invalid(string host, string label) => $"domain name \"{host}\" invalid (label \"{label}\" invalid)";
}
