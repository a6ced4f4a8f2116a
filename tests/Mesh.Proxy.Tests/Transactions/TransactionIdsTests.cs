using System.Text;
using Mesh.Proxy.Transactions;
using Mesh.Rules.Snapshots;
using Xunit;

namespace Mesh.Proxy.Tests.Transactions;

public sealed class TransactionIdsTests
{
    private static readonly DateTimeOffset Now = new(2026, 3, 4, 5, 6, 7, 89, TimeSpan.Zero);

    [Theory]
    [InlineData("{instance}", "orders-x2x9k")]
    [InlineData("{instance:5}", "x2x9k")]
    [InlineData("{instance:14}", "00orders-x2x9k")]
    [InlineData("{time:yyyyMMddHHmmss}", "20260304050607")]
    [InlineData("{time:yyMMdd}.{time:HHmmssfff}", "260304.050607089")]
    [InlineData("{time:yyyy-MM-ddTHH:mm:ss.ffffffZ}", "2026-03-04T05:06:07.089000Z")]
    [InlineData("{sequence}", "1")]
    [InlineData("{sequence:1}", "1")]
    [InlineData("{sequence:18}", "000000000000000001")]
    [InlineData("A#{sequence:2}/{sequence}", "A#01/1")]
    public void WriteLine_EachPart(string format, string id) => Assert.Equal($"X-Tran: {id}\r\n", Line(Ids(format)));

    [Fact]
    public void WriteLine_NumberThatOutgrowsItsDigits_BeginsAgainAtZero()
    {
        TransactionIds ids = Ids("{sequence:1}");

        string all = string.Concat(Enumerable.Range(0, 11).Select(_ => Line(ids)[^3]));

        Assert.Equal("12345678901", all);
    }

    [Fact]
    public void WriteLine_OfTwoHosts_NeverRepeatsANumber()
    {
        TransactionSequence sequence = new();
        TransactionIds first = Ids("{sequence}", sequence: sequence);
        TransactionIds second = Ids("{sequence}", sequence: sequence);

        Assert.Equal(["X-Tran: 1\r\n", "X-Tran: 2\r\n", "X-Tran: 3\r\n"], [Line(first), Line(second), Line(first)]);
    }

    [Fact]
    public void WriteLine_InstanceThatIsNoHeaderText_IsMadeOne() => Assert.Equal("X-Tran: a-b--c\r\n", Line(Ids("{instance}", "a b\r\nc")));

    private static TransactionIds Ids(string format, string instance = "orders-x2x9k", TransactionSequence? sequence = null)
    {
        Assert.Null(TransactionIdFormat.Read(format, out _));
        return new TransactionIds(new TransactionIdConfig("X-Tran", format), instance, sequence ?? new TransactionSequence());
    }

    private static string Line(TransactionIds ids)
    {
        byte[] exact = new byte[ids.MaxLength]; // no more room than was asked for
        string line = Encoding.ASCII.GetString(exact, 0, ids.WriteLine(exact, Now));
        Assert.Equal("X-Tran: ".Length, ids.ValueStart);
        return line;
    }
}
