using System.Text.RegularExpressions;
using Xunit;

namespace Mesh.Proxy.Tests;

/// <summary>The direction of dependencies, file sizes and banned words, read from the source text: the plan of the house holds.</summary>
public sealed partial class ArchitectureTests
{
    private static readonly string Root = FindRoot();

    /// <summary>Folder of Mesh.Proxy → the folders it may use. What is not listed is forbidden.</summary>
    private static readonly Dictionary<string, string[]> Allowed = new()
    {
        ["Telemetry"] = [],
        ["Infrastructure"] = ["Telemetry"],
        ["Dns"] = ["Telemetry", "Infrastructure"],
        ["LoadBalancing"] = ["Telemetry", "Infrastructure"],
        ["Outlier"] = ["Telemetry", "Infrastructure"],
        ["Breakers"] = [],
        ["Concurrency"] = ["Infrastructure"],
        ["Shadows"] = ["Telemetry"],
        ["MeshShares"] = [],
        ["RateLimits"] = ["MeshShares", "Routing", "Telemetry", "Infrastructure"],
        ["Fallbacks"] = ["Retry"],
        ["Transactions"] = [],
        ["AsyncReplies"] = ["Fallbacks", "Telemetry", "Infrastructure"],
        ["Routing"] = ["Telemetry", "Infrastructure"],
        ["Retry"] = ["Telemetry", "Infrastructure"],
        ["Upstream"] = ["AsyncReplies", "Transactions", "Shadows", "Concurrency", "RateLimits", "MeshShares", "Breakers", "Fallbacks", "Dns", "Retry", "LoadBalancing", "Outlier", "Telemetry", "Infrastructure"],
        ["Http"] = ["AsyncReplies", "Concurrency", "RateLimits", "Breakers", "Fallbacks", "Routing", "Retry", "Upstream", "LoadBalancing", "Outlier", "Telemetry", "Infrastructure"],
        ["Http1"] = ["AsyncReplies", "Concurrency", "RateLimits", "Breakers", "Fallbacks", "Tcp", "Http", "Routing", "Retry", "Upstream", "Telemetry", "Infrastructure"],
        ["Tcp"] = ["Concurrency", "Http", "Routing", "Upstream", "Telemetry", "Infrastructure"],
        ["Config"] = ["Routing", "Upstream", "Telemetry", "Infrastructure"],
        ["Middleware"] = ["Infrastructure"],
        ["Transport"] = ["AsyncReplies", "Middleware", "Config", "Http1", "Tcp", "Http", "Routing", "Upstream", "Telemetry", "Infrastructure"],
        ["Hosting"] = ["Dns", "Config", "Transport", "Middleware", "Http1", "Tcp", "Http", "Routing", "Upstream", "LoadBalancing", "Outlier", "Telemetry", "Infrastructure"],
    };

    public static TheoryData<string> ProxyFolders => [.. Allowed.Keys];

    [Theory]
    [MemberData(nameof(ProxyFolders))]
    public void Folder_UsesOnlyFoldersBelowIt(string folder)
    {
        List<string> wrong = [];
        foreach (string file in Sources($"sidecar/Mesh.Proxy/{folder}"))
        {
            foreach (Match match in ProxyNamespace().Matches(File.ReadAllText(file)))
            {
                string used = match.Groups[1].Value;
                if (used != folder && !Allowed[folder].Contains(used))
                {
                    wrong.Add($"{Path.GetFileName(file)} uses Mesh.Proxy.{used}");
                }
            }
        }

        Assert.Empty(wrong);
    }

    [Fact]
    public void EveryProxyFolder_HasItsRow() => Assert.Equal(
        Allowed.Keys.Order(), Directory.GetDirectories(Path.Combine(Root, "sidecar/Mesh.Proxy")).Select(Path.GetFileName).Where(n => n is not ("bin" or "obj"))!.Order<string>());

    [Theory]
    [InlineData("sidecar/Mesh.Proxy", "YamlDotNet", "Mesh.Rules.Kinds", "Mesh.Rules.Validation", "Mesh.ControlPlane", "k8s")]
    [InlineData("crds/Mesh.Rules", "Microsoft.AspNetCore", "System.Net.Sockets", "TimeProvider", "System.Random", "Mesh.Proxy")]
    [InlineData("control-plane/Mesh.ControlPlane", "Mesh.Proxy")]
    [InlineData("sidecar/Mesh.Proxy/LoadBalancing", "System.Threading.Tasks", "System.Net.Sockets", "System.IO.Pipelines", "ILogger", "ITimer")]
    [InlineData("sidecar/Mesh.Proxy/Outlier", "System.Threading.Tasks", "System.Net.Sockets", "System.IO.Pipelines", "ILogger", "ITimer")]
    [InlineData("sidecar/Mesh.Proxy/Retry", "System.Threading.Tasks", "System.Net.Sockets", "System.IO.Pipelines", "ILogger", "ITimer")]
    [InlineData("sidecar/Mesh.Proxy/Routing", "System.Threading.Tasks", "System.Net.Sockets", "System.IO.Pipelines", "ILogger", "ITimer")]
    public void Folder_NeverMentions(string folder, params string[] banned)
    {
        List<string> wrong = [];
        foreach (string file in Sources(folder))
        {
            string code = Comments().Replace(File.ReadAllText(file), "");
            wrong.AddRange(banned.Where(b => code.Contains(b, StringComparison.Ordinal)).Select(b => $"{Path.GetFileName(file)} mentions {b}"));
        }

        Assert.Empty(wrong);
    }

    [Fact]
    public void UnsafeCode_StaysInTheFolderOfTheEventLoops() => Assert.Empty(
        from folder in (string[])["crds", "sidecar", "control-plane"]
        from file in Sources(folder)
        where !file.Contains("/Transport/Epoll/", StringComparison.Ordinal)
        where UnsafeWords().IsMatch(Comments().Replace(File.ReadAllText(file), ""))
        select Path.GetRelativePath(Root, file));

    [Fact]
    public void SourceFiles_CanBeReadInOneSitting() => Assert.Empty(
        from folder in (string[])["crds", "sidecar", "control-plane", "bench"]
        from file in Sources(folder)
        let lines = File.ReadLines(file).Count()
        where lines > 400
        select $"{Path.GetRelativePath(Root, file)} has {lines} lines");

    [Fact]
    public void Code_HoldsNoPromises() => Assert.Empty(
        from folder in (string[])["crds", "sidecar", "control-plane", "bench", "tests"]
        from file in Sources(folder)
        where !file.EndsWith("ArchitectureTests.cs", StringComparison.Ordinal)
        let text = File.ReadAllText(file)
        from word in (string[])["TODO", "FIXME", "HACK", "NotImplementedException", "Skip = \"", "async void"]
        where text.Contains(word, StringComparison.Ordinal)
        select $"{Path.GetRelativePath(Root, file)}: {word}");

    private static IEnumerable<string> Sources(string folder) =>
        Directory.EnumerateFiles(Path.Combine(Root, folder), "*.cs", SearchOption.AllDirectories);

    private static string FindRoot()
    {
        DirectoryInfo? at = new(AppContext.BaseDirectory);
        while (at is not null && !File.Exists(Path.Combine(at.FullName, "Mesh.sln")))
        {
            at = at.Parent;
        }

        return at?.FullName ?? throw new InvalidOperationException("the tests run outside the source tree");
    }

    [GeneratedRegex(@"(?:using (?:static )?|cref=""|[ (<])Mesh\.Proxy\.([A-Z]\w+)")]
    private static partial Regex ProxyNamespace();

    [GeneratedRegex(@"\b(unsafe|stackalloc byte\*|fixed \()|System\.Runtime\.CompilerServices\.Unsafe|\bUnsafe\.")]
    private static partial Regex UnsafeWords();

    [GeneratedRegex(@"//[^\n]*")]
    private static partial Regex Comments();
}
