using Mesh.Lab.Checks;
using Mesh.Lab.World;

namespace Mesh.Lab.Phases;

/// <summary>One run within a phase, under a title.</summary>
internal sealed record PhaseRun(string Title, Measurement Measured);

/// <summary>What a phase measured and whether it holds.</summary>
/// <param name="Name">Short name, as in the JSON.</param>
/// <param name="Title">What a person reads.</param>
internal sealed record PhaseResult(string Name, string Title)
{
    /// <summary>Its runs in order.</summary>
    public List<PhaseRun> Runs { get; } = [];

    /// <summary>Its checks in order.</summary>
    public List<LabCheck> Checks { get; } = [];

    /// <summary>Lines worth knowing that nothing depends on.</summary>
    public List<string> Notes { get; } = [];

    /// <summary>Whether all checks hold, and there are any.</summary>
    public bool Passed => Checks.Count > 0 && Checks.All(static c => c.Passed);

    /// <summary>Calls of all runs.</summary>
    public long Requests => Runs.Sum(static r => r.Measured.Load.Requests);

    /// <summary>Successful ones.</summary>
    public long Ok => Runs.Sum(static r => r.Measured.Load.Ok);

    /// <summary>Refusals at any sidecar.</summary>
    public long Overflow => Runs.Sum(static r => r.Measured.Overflow);

    /// <summary>Keeps a run and returns it.</summary>
    public Measurement Add(string title, Measurement measured)
    {
        Runs.Add(new PhaseRun(title, measured));
        return measured;
    }
}

/// <summary>One phase of the lab.</summary>
internal interface ILabPhase
{
    /// <summary>Short name.</summary>
    string Name { get; }

    /// <summary>What a person reads.</summary>
    string Title { get; }

    /// <summary>Runs it against the world and fills <paramref name="result"/>, which keeps what it has when the phase cannot go on.</summary>
    Task RunAsync(LabWorld world, PhaseResult result, CancellationToken stop);
}
