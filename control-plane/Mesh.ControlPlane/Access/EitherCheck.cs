namespace Mesh.ControlPlane.Access;

/// <summary>Takes what either of two checks takes; the second one, which may have to ask elsewhere, only sees what the first refused.</summary>
/// <param name="first">Cheap.</param>
/// <param name="second">Asked next; its refusal is the answer.</param>
internal sealed class EitherCheck(ICallerCheck first, ICallerCheck second) : ICallerCheck
{
    /// <inheritdoc/>
    public string Wanted => $"{first.Wanted}, or {second.Wanted}";

    /// <inheritdoc/>
    public async ValueTask<CallerAnswer> CheckAsync(string token, CancellationToken cancellationToken) =>
        await first.CheckAsync(token, cancellationToken) is { Caller: not null } answer ? answer : await second.CheckAsync(token, cancellationToken);
}
