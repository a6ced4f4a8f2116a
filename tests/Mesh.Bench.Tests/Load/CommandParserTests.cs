using Mesh.Load.CommandLine;

namespace Mesh.Bench.Tests.Load;

public sealed class CommandParserTests
{
    private const string Order = "http://orders:8080/orders POST {\"productId\":2,\"quantity\":1}";

    [Theory]
    [InlineData("-c2", "-t10S")]
    [InlineData("–c2", "–t10S")]
    [InlineData("-c", "2", "-t", "10s")]
    [InlineData("—concurrent", "2", "–time", "10S")]
    [InlineData("--concurrent=2", "--time=10S")]
    [InlineData("-vc2", "-bt10S")]
    public void Parse_UsersAndTime_AnyDashAnyForm(params string[] options)
    {
        Command command = Parsed([.. options, Order]);
        Assert.Equal(2, command.Options.Users);
        Assert.Equal(TimeSpan.FromSeconds(10), command.Options.Duration);
    }

    [Fact]
    public void Parse_LineOfTheCourse_IsTheOrderOfTheCourse()
    {
        Command command = Parsed(["–c2", "–t10S", "-v", "--content-type", "application/json", Order]);
        Assert.True(command.IsVerbose);
        Assert.Equal("application/json", command.Options.ContentType);
        Assert.Equal(HttpMethod.Post, command.Options.Method);
        Assert.Equal("{\"productId\":2,\"quantity\":1}", command.Options.Body);
        Assert.Equal(new Uri("http://orders:8080/orders"), command.Options.Url);
    }

    [Fact]
    public void Parse_OurOptions_AreRead()
    {
        Command command = Parsed(["--rate", "250.5", "-n", "99", "-H", "Host: orders", "--proxy", "http://127.0.0.1:1", "--json", "f", "-r", "once", "-d", "0.5", "orders/x"]);
        Assert.Equal(250.5, command.Options.Rate);
        Assert.Equal(512, command.Options.Users);
        Assert.Equal(99, command.Options.Total);
        Assert.Equal(new KeyValuePair<string, string>("Host", "orders"), Assert.Single(command.Options.Headers));
        Assert.Equal(new Uri("http://127.0.0.1:1"), command.Options.Proxy);
        Assert.Equal("f", command.JsonFile);
        Assert.Equal(1, command.Options.Repetitions);
        Assert.Equal(TimeSpan.FromSeconds(0.5), command.Options.Delay);
        Assert.Equal(new Uri("http://orders/x"), command.Options.Url);
    }

    [Theory]
    [InlineData("name what to call")]
    [InlineData("-c: '0'", "-c0", "http://a")]
    [InlineData("-t: '10X'", "-t", "10X", "http://a")]
    [InlineData("--rate: 'x'", "--rate", "x", "http://a")]
    [InlineData("-c needs a value", "http://a", "-c")]
    [InlineData("unknown option '--colour'", "--colour", "http://a")]
    [InlineData("unknown option '-z'", "-z", "http://a")]
    [InlineData("is no http:// address", "ftp://a")]
    [InlineData("is no method", "http://a post body")]
    [InlineData("-H: 'nocolon'", "-H", "nocolon", "http://a")]
    public void Parse_Mistake_NamesIt(string message, params string[] args)
    {
        Assert.Null(CommandParser.Parse(args, out string error));
        Assert.Contains(message, error, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("10S", 10)]
    [InlineData("1.5s", 1.5)]
    [InlineData("2M", 120)]
    [InlineData("2", 120)]
    [InlineData("1h", 3600)]
    [InlineData("0S", 0)]
    [InlineData("", 0)]
    [InlineData("-1S", 0)]
    [InlineData("25H", 0)]
    public void SiegeTime_Text_IsSecondsOrRefused(string text, double seconds)
    {
        Assert.Equal(seconds > 0, SiegeTime.TryParse(text, out TimeSpan time));
        if (seconds > 0)
        {
            Assert.Equal(TimeSpan.FromSeconds(seconds), time);
        }
    }

    private static Command Parsed(string[] args)
    {
        Command? command = CommandParser.Parse(args, out string error);
        Assert.Equal("", error);
        return command!;
    }
}
