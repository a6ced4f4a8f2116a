using Mesh.ControlPlane.Certificates;
using Mesh.ControlPlane.Tests.Store;
using Mesh.Testing;
using Microsoft.Extensions.Logging;
using Xunit;

namespace Mesh.ControlPlane.Tests.Certificates;

public sealed class RootFileTests : IDisposable
{
    private readonly TemporaryFolder _folder = new();
    private readonly RecordingLoggerFactory _logs = new();
    private readonly string _one = Root();
    private readonly string _two = Root();

    private string Path => _folder.File("ca.crt");

    public void Dispose()
    {
        _folder.Dispose();
        _logs.Dispose();
    }

    [Fact]
    public void Read_NotThereYet_IsNothingUntilItIs()
    {
        RootFile file = Open(Path);
        Assert.Null(file.Read());

        File.WriteAllText(Path, _one);

        Assert.Equal(_one, file.Read());
    }

    [Fact]
    public void Read_FolderBehindALinkReplaced_IsTheNewText()
    {
        // As a kubelet does it: the file is a link into ..data, ..data a link to a folder, and only this one changes.
        foreach ((string name, string text) in (ReadOnlySpan<(string, string)>)[("first", _one), ("second", _two)])
        {
            Directory.CreateDirectory(_folder.File(name));
            File.WriteAllText(_folder.File($"{name}/ca.crt"), text);
        }

        Directory.CreateSymbolicLink(_folder.File("..data"), "first");
        File.CreateSymbolicLink(Path, "..data/ca.crt");
        RootFile file = Open(Path);
        Assert.Equal(_one, file.Read());

        Directory.Delete(_folder.File("..data")); // the link
        Directory.CreateSymbolicLink(_folder.File("..data"), "second");

        Assert.Equal(_two, file.Read());
    }

    [Theory]
    [InlineData(null, "cannot be used: ")]
    [InlineData("", "holds no certificate")]
    [InlineData("not PEM", "holds no certificate")]
    [InlineData("-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n", "cannot be used: ")]
    public void Read_GoneOrSpoilt_KeepsTheLastTextAndSaysSoOnce(string? text, string expected)
    {
        File.WriteAllText(Path, _one);
        RootFile file = Open(Path);
        file.Read();
        Assert.Null(RootFile.Problem(Path));

        File.Delete(Path);
        if (text is not null)
        {
            File.WriteAllText(Path, text);
        }

        Assert.Equal((_one, _one), (file.Read(), file.Read()));
        Assert.Contains($"'{Path}' {expected}", Assert.Single(_logs.Warnings), StringComparison.Ordinal);
        Assert.StartsWith($"--tls-ca: '{Path}' {expected}", RootFile.Problem(Path), StringComparison.Ordinal);
    }

    private static string Root()
    {
        using TestAuthority authority = new();
        return File.ReadAllText(authority.RootFile);
    }

    private RootFile Open(string path) => new(path, _logs.CreateLogger<RootFile>());
}
