using Mesh.ControlPlane.Push;
using Mesh.Rules.Wire;
using Xunit;

namespace Mesh.ControlPlane.Tests.Push;

public sealed class PushSessionTests
{
    private static readonly MeshContent First = MeshContent.Empty with { Version = "e-1" };
    private static readonly MeshContent Second = MeshContent.Empty with { Version = "e-2" };
    private readonly PushSession _session = new("a", "default");

    [Fact]
    public void Answer_Ack_MovesWhatRunsAndTellsWhenItWasSent()
    {
        _session.Sent(First, 10);
        _session.Sent(Second, 20);

        Assert.Equal(20, _session.Answer(Ack("e-2")));

        Assert.Same(Second, _session.View.Running);
        Assert.Equal(("e-2", "e-2", ""), (_session.View.SentVersion, _session.View.AckedVersion, _session.View.NackedVersion));
        Assert.Null(_session.Answer(Ack("e-1"))); // older than the last answer: late, says nothing
    }

    [Fact]
    public void Answer_NackOfOneRule_TheRestRuns()
    {
        _session.Sent(First, 10);

        _session.Answer(Nack("e-1", "DestinationRule/default/limits"));

        Assert.Same(First, _session.View.Running);
        Assert.Equal(("", "e-1"), (_session.View.AckedVersion, _session.View.NackedVersion));
        Assert.Single(_session.View.Findings);
    }

    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public void Answer_NackOfTheWhole_NothingOfItRuns(bool hasFinding)
    {
        _session.Sent(First, 10);
        _session.Answer(Ack("e-1"));
        _session.Sent(Second, 20);

        _session.Answer(hasFinding ? Nack("e-2", "") : new SidecarAck { Version = "e-2", Accepted = false });

        Assert.Same(First, _session.View.Running);
        Assert.Equal(("e-1", "e-2"), (_session.View.AckedVersion, _session.View.NackedVersion));
    }

    [Fact]
    public void Answer_ToWhatWasNeverSent_SaysNothing()
    {
        Assert.Null(_session.Answer(Ack("former-9")));
        Assert.Null(_session.View.Running);
    }

    [Fact]
    public void Sent_NeverAnswered_DoesNotGrow()
    {
        for (int i = 0; i < 1000; i++)
        {
            _session.Sent(First with { Version = $"e-{i}" }, i);
        }

        Assert.Null(_session.Answer(Ack("e-900")));
        Assert.Equal(999, _session.Answer(Ack("e-999")));
    }

    [Fact]
    public void Resumed_OnlyWhenNothingIsKnown_Counts()
    {
        _session.Resumed(First);
        _session.Resumed(Second);

        Assert.Same(First, _session.View.Running);
    }

    private static SidecarAck Ack(string version) => new() { Version = version, Accepted = true };

    private static SidecarAck Nack(string version, string rule) =>
        new() { Version = version, Accepted = false, Findings = [new SidecarFinding(rule, "error", "spec.host", "no")] };
}
