using Mesh.Lab.Phases;

namespace Mesh.Lab.Scenarios;

/// <summary>One of the labs: what it starts and the phases it then runs.</summary>
internal interface ILabScenario
{
    /// <summary>Said while it starts.</summary>
    string Starting { get; }

    /// <summary>Starts everything. What it gives back ends all of it.</summary>
    Task<IRunningScenario> StartAsync(TimeProvider time, Random random, string folder, CancellationToken stop);
}

/// <summary>A scenario whose processes run.</summary>
internal interface IRunningScenario : IAsyncDisposable
{
    /// <summary>Phases in order; later ones build on earlier ones.</summary>
    IReadOnlyList<BoundPhase> Phases { get; }

    /// <summary>Addresses for a person who wants to go on by hand.</summary>
    IEnumerable<string> Addresses { get; }

    /// <summary>Every process that should run and does not; empty when all is well.</summary>
    IEnumerable<string> Ended();
}

/// <summary>A phase with the world it runs in.</summary>
/// <param name="Name">Short name.</param>
/// <param name="Title">What a person reads.</param>
/// <param name="RunAsync">Runs it and fills the result, which keeps what it has when the phase cannot go on.</param>
internal sealed record BoundPhase(string Name, string Title, Func<PhaseResult, CancellationToken, Task> RunAsync);
