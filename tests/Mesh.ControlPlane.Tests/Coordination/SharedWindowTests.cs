using System.Globalization;
using Mesh.ControlPlane.Coordination;
using Xunit;

namespace Mesh.ControlPlane.Tests.Coordination;

public sealed class SharedWindowTests
{
    [Fact]
    public void ByCount_CallersComeAndGo_KeepsNothingOfThem()
    {
        SharedWindow window = new(isTimeBased: false, size: 1000);
        CircuitCaller stays = Caller("stays");
        window.Add(stays, new CallCounts(5, 1, 0), CircuitBench.Start);
        for (int i = 0; i < 1000; i++)
        {
            CircuitCaller goes = Caller(i.ToString(CultureInfo.InvariantCulture));
            window.Add(goes, new CallCounts(1, 0, 0), CircuitBench.Start.AddSeconds(i));
            window.Advance(CircuitBench.Start.AddSeconds(i));
            window.Remove(goes);
        }

        Assert.InRange(window.Length, 1, 3);
        Assert.Equal(new CallCounts(5, 1, 0), window.Sum);
        Assert.Equal(new CallCounts(5, 1, 0), stays.InWindow);
    }

    private static CircuitCaller Caller(string id) => new(new Reporter(id, "", "", ""));
}
