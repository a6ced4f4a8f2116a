using System.Text.RegularExpressions;
using Mesh.Cli.Reports;
using Xunit;

namespace Mesh.Cli;

public sealed partial class CheckTextsTests
{
    [Fact]
    public void Texts_ThereIsOneForEachCheckInTheSources()
    {
        DirectoryInfo? at = new(AppContext.BaseDirectory);
        while (at is not null && !File.Exists(Path.Combine(at.FullName, "Mesh.sln")))
        {
            at = at.Parent;
        }

        string[] checks =
        [
            .. ((string[])["crds/Mesh.Rules", "control-plane/Mesh.Cli"])
                .SelectMany(folder => Directory.EnumerateFiles(Path.Combine(at!.FullName, folder), "*.cs", SearchOption.AllDirectories))
                .SelectMany(static file => NameOfACheck().Matches(File.ReadAllText(file)).Select(static m => m.Groups[1].Value)).Distinct(),
        ];

        Assert.True(checks.Length > 20, string.Join(", ", checks));
        Assert.Empty(checks.Except(CheckTexts.Names));
    }

    [GeneratedRegex(@"(?:Check = |\.Advise\(\s*|\bOf\(\s*)""([a-z0-9-]+)""")]
    private static partial Regex NameOfACheck();
}
