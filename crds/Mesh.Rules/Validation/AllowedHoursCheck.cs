using System.Globalization;
using Mesh.Rules.Kinds;
using Mesh.Rules.Schema;
using Mesh.Rules.Snapshots;

namespace Mesh.Rules.Validation;

/// <summary>The hours of a RateLimit.</summary>
internal static class AllowedHoursCheck
{
    public static void Check(AllowedHours hours, Cursor at)
    {
        TimeOnly? from = Read(hours.From, at.Field("from"));
        TimeOnly? to = Read(hours.To, at.Field("to"));
        if (from is not null && from == to)
        {
            at.Error("from and to are the same minute; leave allowedHours out to let requests through at every hour");
        }

        if (hours.TimeZone is { } zone && AllowedHoursConfig.FindZone(zone) is null)
        {
            at.Field("timeZone").Error($"{RuleNode.Quote(zone)} is no time zone known here; write a name of the IANA database, such as Asia/Seoul, or an offset, such as \"+09:00\"");
        }
    }

    /// <summary>A minute of the day; null for what is none. 24:00 is the midnight at the end of the day.</summary>
    public static TimeOnly? Parse(string? text) =>
        text == "24:00" ? TimeOnly.MinValue
        : TimeOnly.TryParseExact(text, "HH:mm", CultureInfo.InvariantCulture, DateTimeStyles.None, out TimeOnly time) ? time : null;

    private static TimeOnly? Read(string? text, Cursor at)
    {
        TimeOnly? time = Parse(text);
        if (text is not null && time is null)
        {
            at.Error($"{RuleNode.Quote(text)} is no minute of the day; write it in quotes with two digits each, such as \"06:00\"");
        }

        return time;
    }
}
