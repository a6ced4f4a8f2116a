using Mesh.Rules.Snapshots;
using Xunit;

namespace Mesh.Rules.Compilation;

public sealed class FallbackCompilerTests
{
    private static readonly string Services =
        MeshText.Service("products.default.svc.cluster.local") + MeshText.Service("backup.default.svc.cluster.local")
        + MeshText.Service("db.test", port: "{number: 3306, name: tcp, protocol: TCP}");

    [Fact]
    public void Compile_DefaultsAndShortNames_AreFilledIn()
    {
        FallbackConfig fallback = Compile("{host: products, lastGood: {vary: [B, a, b]}, destination: {host: backup}, static: {headers: {X-A: b}}}").Fallback!;

        Assert.Equal((false, FallbackCauses.Default, "outbound|80||backup.default.svc.cluster.local", "default/f#spec"), (fallback.IsShadow, fallback.Causes, fallback.Cluster, fallback.Source));
        Assert.Equal(("", "GET,HEAD,OPTIONS"), (string.Join(',', fallback.Codes), string.Join(',', fallback.Methods)));
        Assert.Equal(new LastGoodConfig { MaxAge = TimeSpan.FromMinutes(5), MaxEntries = 100, MaxBytes = 1 << 20, Vary = ["a", "b"] }, fallback.LastGood);
        Assert.Equal(new StaticAnswerConfig { Status = 200, Headers = [KeyValuePair.Create("x-a", "b")] }, fallback.Static);
    }

    [Fact]
    public void Compile_TheSameTextTwice_IsEqual_AndAnyOtherIsNot()
    {
        const string Full = "{host: products, triggers: ['503'], methods: [GET], lastGood: {vary: [a]}, static: {body: a, bodies: {ko: b}, headers: {a: b}}}";
        ClusterConfig config = Compile(Full);

        Assert.Equal(config, Compile(Full));
        Assert.All(
            (string[])["'503'>'502'", "GET>HEAD", "vary: [a]>vary: [b]", "body: a>body: b", "ko: b>ko: c", "ko: b>en: b", "{a: b}>{a: c}"],
            change => Assert.NotEqual(config, Compile(Full.Replace(change.Split('>')[0], change.Split('>')[1], StringComparison.Ordinal))));
    }

    [Fact]
    public void Compile_Tcp_HasNone() =>
        Assert.Null(MeshText.Compile(Services + Rule("{host: db.test, static: {}}")).Snapshot.Clusters["outbound|3306||db.test"].Fallback);

    [Theory]
    [InlineData("{host: backup}", false)]
    [InlineData("{host: bakcup}", true)]
    [InlineData("{host: backup, subset: v1}", true)]
    [InlineData("{host: backup, port: {number: 81}}", true)]
    public void Compile_DestinationThatIsNotThere_IsSaid(string destination, bool isSaid)
    {
        CompileResult result = MeshText.Compile(Services + Rule($"{{host: products, destination: {destination}}}"));

        Assert.Equal(isSaid ? ["f spec.destination"] : [], result.Diagnostics.Where(static d => d.Rule.Name == "f").Select(static d => $"{d.Rule.Name} {d.Finding.Path}"));
    }

    private static ClusterConfig Compile(string spec) => MeshText.Compile(Services + Rule(spec)).Snapshot.Clusters["outbound|80||products.default.svc.cluster.local"];

    private static string Rule(string spec) =>
        MeshText.Rule("Fallback", "f", spec).Replace("networking.istio.io/v1", "resilience.mesh.dev/v1alpha1", StringComparison.Ordinal);
}
