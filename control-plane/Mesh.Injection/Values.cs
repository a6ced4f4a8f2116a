using System.Globalization;
using System.Net;
using System.Text.RegularExpressions;

namespace Mesh.Injection;

/// <summary>Checks the values of annotations before a container is started with them: a pod that is refused says why, one that restarts forever does not.</summary>
internal static partial class Values
{
    /// <summary>Ports and ranges with commas between, or <c>*</c>; empty is an empty list.</summary>
    public static bool ArePorts(string value) => value == "*" || Split(value).All(static one =>
    {
        string[] ends = one.Split('-', ':');
        return ends.Length <= 2 && IsPort(ends[0], out int first) && IsPort(ends[^1], out int last) && first <= last;
    });

    /// <summary>Networks with commas between, or <c>*</c>; empty is an empty list.</summary>
    public static bool AreRanges(string value) =>
        value == "*" || Split(value).All(static one => IPNetwork.TryParse(one, out _) || IPAddress.TryParse(one, out _));

    /// <summary>Names of network interfaces with commas between.</summary>
    public static bool AreInterfaces(string value) => Split(value).All(static one => Interface().IsMatch(one));

    /// <summary>A quantity such as <c>100m</c>, <c>0.5</c> or <c>128Mi</c>.</summary>
    public static bool IsQuantity(string value) => Quantity().IsMatch(value);

    /// <summary>A whole number from <paramref name="lowest"/> up.</summary>
    public static bool IsNumber(string value, int lowest, out int number) =>
        int.TryParse(value, NumberStyles.None, CultureInfo.InvariantCulture, out number) && number >= lowest;

    /// <summary>A time such as <c>5s</c> that the sidecar takes too.</summary>
    public static bool IsTime(string value) => Time().IsMatch(value);

    /// <summary>True or false, or null for anything else.</summary>
    public static bool? Truth(string value) => value switch { "true" => true, "false" => false, _ => null };

    private static bool IsPort(string text, out int port) => IsNumber(text, 1, out port) && port <= 65535;

    private static string[] Split(string value) => value.Split(',', StringSplitOptions.RemoveEmptyEntries | StringSplitOptions.TrimEntries);

    // The kernel's names, with iptables' plus at the end for all that begin so.
    [GeneratedRegex(@"\A[A-Za-z0-9._@+-]{1,15}\z")]
    private static partial Regex Interface();

    [GeneratedRegex(@"\A[0-9]+(\.[0-9]+)?(m|k|M|G|T|Ki|Mi|Gi|Ti)?\z")]
    private static partial Regex Quantity();

    [GeneratedRegex(@"\A[0-9]+(\.[0-9]+)?(ms|s|m|h)\z")]
    private static partial Regex Time();
}
