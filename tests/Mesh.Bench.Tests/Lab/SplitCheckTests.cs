using System.Net;
using System.Net.Sockets;
using Mesh.Lab.Checks;
using Mesh.Lab.World;

namespace Mesh.Bench.Tests.Lab;

/// <summary>The checks of the phase breaker-split hold for right numbers and fail for wrong ones; its wires carry, and do not while they are cut.</summary>
public sealed class SplitCheckTests
{
    private static readonly DateTimeOffset At = new(2030, 1, 1, 0, 0, 0, TimeSpan.Zero);

    [Theory]
    [InlineData(true, 7, 7)]
    [InlineData(false, 7, 8)]
    [InlineData(false, 0, 0)]
    public void OneDecision(bool holds, long first, long second) => Assert.Equal(holds, SplitChecks.OneDecision("now", [first, first, second]).Passed);

    [Theory]
    [InlineData("", "10", "00", "01")]
    [InlineData("looks at who leads", "10", "", "01")]
    [InlineData("of these, with two leaders", "11", "00", "01")]
    [InlineData("of these, with none", "10", "01", "01")]
    [InlineData("the other replica leads in the end", "10", "00", "00")]
    public void OneLeader(string wrong, string first, string then, string last) => Expect(
        wrong, SplitChecks.OneLeader([.. Enumerable.Repeat(first, 10).Concat(Enumerable.Repeat(then, 20).Where(static l => l.Length > 0).Take(20)).Append(last).Select(static l => (l[0] == '1', l[1] == '1'))]));

    [Theory]
    [InlineData("", 0.0, 1.9, 3.0)]
    [InlineData("the first one, milliseconds after the end of the last word", -0.2, 1.9, 3.0)]
    [InlineData("the last one, after the end of the last word", 0.0, 2.1, 3.0)]
    [InlineData("callers without a leader that are on their own", 0.0, null, 3.0)]
    [InlineData("of these, whose own breaker has opened", 0.0, 1.9, null)]
    public void WithoutLeader(string wrong, double? first, double? last, double? opened) =>
        Expect(wrong, SplitChecks.WithoutLeader(At, [Time(first), Time(last)], [Time(opened), At]));

    [Theory]
    [InlineData("", 2, 8.0, 21.0)]
    [InlineData("decisions that callers of the leader followed", 1, 8.0, 21.0)]
    [InlineData("the first one, milliseconds after the split", 2, 7.9, 21.0)]
    [InlineData("the last one, after the split", 2, 8.0, 22.1)]
    [InlineData("callers of the leader that are on their own", 2, 8.0, null)]
    public void WithLeader(string wrong, int decisions, double? first, double? last) => Expect(wrong, SplitChecks.WithLeader(At, decisions, [Time(first), Time(last)]));

    [Theory]
    [InlineData("", 1, 2, 3)]
    [InlineData("", 1, 3, 3)]
    [InlineData("decisions that callers took after a newer one", 1, 3, 2)]
    [InlineData("callers that were told of several decisions", 2, 2, 2)]
    public void OnlyGrow(string wrong, long first, long second, long third) => Expect(wrong, SplitChecks.OnlyGrow([[1, 5, 9], [first, second, third]]));

    [Theory]
    [InlineData(2, true)]
    [InlineData(3, false)]
    [InlineData(1, false)]
    public void Counted(long seen, bool holds) =>
        Assert.Equal(holds, SplitChecks.Counted([new("a", At, 500, null), new("a", At, 503, "circuit_open"), new("b", At, 200, null), new("b", At, 0, "gone")], seen).Passed);

    [Fact]
    public async Task Wire_Cut_CarriesNothingUntilItIsMended()
    {
        using TcpListener target = new(IPAddress.Loopback, 0);
        target.Start();
        await using CuttableWire wire = new((IPEndPoint)target.LocalEndpoint);
        await using CuttableWire whole = new((IPEndPoint)target.LocalEndpoint);
        using TcpClient near = await ConnectAsync(wire);
        using Socket far = await target.AcceptSocketAsync();
        Assert.Equal(1, await PassAsync(near.Client, far, 1));

        wire.Cut();
        await near.Client.SendAsync(new byte[] { 2 });
        using TcpClient late = await ConnectAsync(wire); // nobody refuses it
        using TcpClient other = await ConnectAsync(whole);
        using Socket fromOther = await target.AcceptSocketAsync();
        Assert.Equal(9, await PassAsync(other.Client, fromOther, 9));
        Assert.Equal((false, 0), (target.Pending(), far.Available));

        wire.Mend();
        Assert.Equal(2, await ReceiveAsync(far)); // late, but not lost
        using Socket fromLate = await target.AcceptSocketAsync().WaitAsync(TimeSpan.FromSeconds(10));
        Assert.Equal(3, await PassAsync(fromLate, late.Client, 3)); // and back
    }

    private static async Task<TcpClient> ConnectAsync(CuttableWire wire)
    {
        TcpClient client = new();
        await client.ConnectAsync(wire.Address);
        return client;
    }

    private static async Task<byte> PassAsync(Socket from, Socket to, byte value)
    {
        await from.SendAsync(new byte[] { value });
        return await ReceiveAsync(to);
    }

    private static async Task<byte> ReceiveAsync(Socket from)
    {
        byte[] buffer = new byte[8];
        Assert.Equal(1, await from.ReceiveAsync(buffer.AsMemory()).AsTask().WaitAsync(TimeSpan.FromSeconds(10)));
        return buffer[0];
    }

    private static DateTimeOffset? Time(double? seconds) => seconds is { } known ? At.AddSeconds(known) : null;

    private static void Expect(string wrong, IEnumerable<LabCheck> checks)
    {
        string[] failed = [.. checks.Where(static c => !c.Passed).Select(static c => c.Name)];
        Assert.Equal(wrong.Length > 0, failed.Length > 0);
        Assert.True(wrong.Length == 0 || failed.Any(name => name.Contains(wrong, StringComparison.Ordinal)), string.Join("; ", failed));
    }
}
