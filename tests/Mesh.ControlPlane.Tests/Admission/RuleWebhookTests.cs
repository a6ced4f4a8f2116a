using Mesh.ControlPlane.Admission;
using Mesh.ControlPlane.Tests.Push;
using Xunit;

namespace Mesh.ControlPlane.Tests.Admission;

public sealed class RuleWebhookTests
{
    private const string Group = "networking.istio.io";

    [Fact]
    public void Answer_GoodRule_IsAllowed()
    {
        AdmissionAnswer answer = Answer("CREATE", Rule("{\"host\":\"products\"}"));

        Assert.True(answer.IsAllowed);
        Assert.Empty(answer.Warnings);
    }

    [Fact]
    public void Answer_BadRule_IsRefusedAsByOurApi()
    {
        AdmissionAnswer answer = Answer("CREATE", Rule("""{"host":"products","trafficPolicy":{"connectionPool":{"tcp":{"maxConnections":"ten"}}}}"""));

        Assert.Equal((false, 422, "Invalid"), (answer.IsAllowed, answer.Code, answer.Reason));
        Assert.StartsWith(
            "DestinationRule.networking.istio.io \"products\" is invalid: spec.trafficPolicy.connectionPool.tcp.maxConnections: Invalid value: must be a whole number",
            answer.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void Answer_FieldNewerThanUs_IsAWarning()
    {
        AdmissionAnswer answer = Answer("CREATE", Rule("""{"host":"products","trafficPolicy":{"fieldOfTomorrow":{"a":1}}}"""));

        Assert.True(answer.IsAllowed);
        Assert.Matches(
            """^spec\.trafficPolicy\.fieldOfTomorrow: "fieldOfTomorrow" is not known to Mesh \d+\.\d+\.\d+ and has no effect""", Assert.Single(answer.Warnings));
    }

    [Fact]
    public void Answer_FieldMisspelt_IsAWarningWithWhatWasMeant()
    {
        AdmissionAnswer answer = Answer("CREATE", Rule("""{"host":"products","trafficPolicy":{"conectionPool":{}}}"""));

        Assert.True(answer.IsAllowed);
        Assert.EndsWith("has no effect; did you mean \"connectionPool\"?", Assert.Single(answer.Warnings), StringComparison.Ordinal);
    }

    [Fact]
    public void Answer_UnknownFieldBesideAWrongOne_IsRefusedForTheWrongOne()
    {
        AdmissionAnswer answer = Answer("CREATE", Rule("""{"host":"products","fieldOfTomorrow":1,"trafficPolicy":{"connectionPool":{"tcp":{"maxConnections":"ten"}}}}"""));

        Assert.False(answer.IsAllowed);
        Assert.DoesNotContain("fieldOfTomorrow", answer.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void Answer_Advice_IsAWarning()
    {
        FakeRuleStore rules = new();
        rules.Apply("other", "{host: products}", "shop");

        AdmissionAnswer answer = Answer("CREATE", Rule("{\"host\":\"products\"}"), rules: rules);

        Assert.True(answer.IsAllowed);
        Assert.StartsWith("spec.host: rules other, products in namespace", Assert.Single(answer.Warnings), StringComparison.Ordinal);
    }

    [Fact]
    public void Answer_BadRuleWithTheSameSpec_TakesChangesOfItsLabels()
    {
        string bad = Rule("{\"host\":\"\"}");

        AdmissionAnswer answer = Answer("UPDATE", bad.Replace("\"name\"", "\"labels\":{\"a\":\"b\"},\"name\"", StringComparison.Ordinal), bad);

        Assert.True(answer.IsAllowed);
        Assert.StartsWith("not enforced: DestinationRule.networking.istio.io", answer.Warnings[0], StringComparison.Ordinal);
        Assert.False(Answer("UPDATE", bad, Rule("{\"host\":\"products\"}")).IsAllowed);
    }

    [Fact]
    public void Answer_BadRuleThatLeaves_IsNotHeld()
    {
        string leaving = Rule("{\"host\":\"\"}").Replace("\"name\"", "\"deletionTimestamp\":\"2030-01-01T00:00:00Z\",\"name\"", StringComparison.Ordinal);

        Assert.True(Answer("UPDATE", leaving, Rule("{\"host\":\"products\"}")).IsAllowed);
        Assert.True(Answer("DELETE", null, Rule("{\"host\":\"\"}")).IsAllowed);
    }

    [Fact]
    public void Answer_KindOfSomeoneElse_IsAllowed() =>
        Assert.True(Answer("CREATE", Rule("{}").Replace("DestinationRule", "EnvoyFilter", StringComparison.Ordinal)).IsAllowed);

    private static string Rule(string spec) =>
        $$"""{"apiVersion":"networking.istio.io/v1","kind":"DestinationRule","metadata":{"name":"products","namespace":"shop"},"spec":{{spec}}}""";

    private static AdmissionAnswer Answer(string operation, string? obj, string? old = null, FakeRuleStore? rules = null) =>
        new RuleWebhook(rules ?? new FakeRuleStore()).Answer(Reviews.Request(operation, Group, "destinationrules", obj, old));
}
