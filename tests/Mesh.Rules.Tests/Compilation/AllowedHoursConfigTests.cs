using System.Globalization;
using Mesh.Rules.Snapshots;
using Xunit;

namespace Mesh.Rules.Compilation;

public sealed class AllowedHoursConfigTests
{
    [Theory]
    [InlineData("00:00", "06:00", "UTC", "2030-01-01T00:00:00Z", true, 360)]
    [InlineData("00:00", "06:00", "UTC", "2030-01-01T06:00:00Z", false, 1080)]
    [InlineData("22:00", "06:00", "UTC", "2030-01-01T23:00:00Z", true, 420)]
    [InlineData("22:00", "06:00", "UTC", "2030-01-01T12:00:00Z", false, 600)]
    [InlineData("00:00", "06:00", "Asia/Seoul", "2030-01-01T15:00:00Z", true, 360)]
    [InlineData("00:00", "06:00", "+09:00", "2030-01-01T14:30:00Z", false, 30)]
    // Berlin, 2030-03-31: 02:00 to 03:00 is left out; 2030-10-27: 02:00 to 03:00 comes twice.
    [InlineData("01:00", "04:00", "Europe/Berlin", "2030-03-31T00:30:00Z", true, 90)]
    [InlineData("02:30", "04:00", "Europe/Berlin", "2030-03-31T00:30:00Z", false, 30)]
    [InlineData("01:00", "04:00", "Europe/Berlin", "2030-10-26T23:30:00Z", true, 210)]
    public void UntilChange_GoesByTheClocksOfTheZone(string from, string to, string zone, string now, bool isOpen, int minutes)
    {
        AllowedHoursConfig hours = new(Time(from), Time(to), zone);
        DateTimeOffset at = DateTimeOffset.Parse(now, CultureInfo.InvariantCulture);

        Assert.Equal((isOpen, TimeSpan.FromMinutes(minutes)), (hours.IsOpen(at), hours.UntilChange(at)));
    }

    /// <summary>Every quarter of an hour of a year in a zone with summer time: what it says of the next change is when it comes, but for the hour that comes twice.</summary>
    [Fact]
    public void UntilChange_OverAYear_IsWhenItChanges()
    {
        AllowedHoursConfig hours = new(Time("22:15"), Time("06:30"), "Europe/Berlin");
        DateTimeOffset at = new(2030, 1, 1, 0, 7, 0, TimeSpan.Zero);
        for (int i = 0; i < 365 * 96; i++, at = at.AddMinutes(15))
        {
            TimeSpan left = hours.UntilChange(at);
            Assert.NotEqual(hours.IsOpen(at), hours.IsOpen(at + left));
            Assert.Equal(hours.IsOpen(at), hours.IsOpen(at + left - TimeSpan.FromMinutes(1)));
        }
    }

    [Theory]
    [InlineData("Asia/Soul")]
    [InlineData("")]
    [InlineData("+25:00")]
    [InlineData("+15:00")]
    [InlineData("09:00")]
    public void FindZone_OfWhatIsNone_IsNull(string name) => Assert.Null(AllowedHoursConfig.FindZone(name));

    [Fact]
    public void Equals_SameHours_AreOne() => Assert.Equal(new AllowedHoursConfig(Time("00:00"), Time("06:00"), "+09:00"), new AllowedHoursConfig(Time("00:00"), Time("06:00"), "+09:00"));

    private static TimeOnly Time(string text) => TimeOnly.ParseExact(text, "HH:mm", CultureInfo.InvariantCulture);
}
