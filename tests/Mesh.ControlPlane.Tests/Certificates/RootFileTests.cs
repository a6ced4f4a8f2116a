using Mesh.ControlPlane.Certificates;
using Mesh.ControlPlane.Tests.Store;
using Xunit;

namespace Mesh.ControlPlane.Tests.Certificates;

public sealed class RootFileTests : IDisposable
{
    private readonly TemporaryFolder _folder = new();

    private string Path => _folder.File("ca.crt");

    public void Dispose() => _folder.Dispose();

    [Fact]
    public void Read_NotThereYet_IsNothingUntilItIs()
    {
        RootFile file = new(Path);
        Assert.Null(file.Read());

        File.WriteAllText(Path, "root");

        Assert.Equal("root", file.Read());
    }

    [Fact]
    public void Read_Replaced_IsTheNewText()
    {
        File.WriteAllText(Path, "one");
        RootFile file = new(Path);
        Assert.Equal("one", file.Read());

        Replace("two");

        Assert.Equal("two", file.Read());
    }

    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public void Read_GoneOrEmptied_KeepsTheLastText(bool isGone)
    {
        File.WriteAllText(Path, "one");
        RootFile file = new(Path);
        file.Read();

        if (isGone)
        {
            File.Delete(Path);
        }
        else
        {
            Replace("");
        }

        Assert.Equal("one", file.Read());
    }

    private void Replace(string text)
    {
        DateTime before = File.GetLastWriteTimeUtc(Path);
        File.WriteAllText(Path, text);
        File.SetLastWriteTimeUtc(Path, before.AddSeconds(1));
    }
}
