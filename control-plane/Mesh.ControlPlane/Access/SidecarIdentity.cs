using Mesh.Rules.Wire;

namespace Mesh.ControlPlane.Access;

/// <summary>Holds a registration to what its token says. Pure.</summary>
internal static class SidecarIdentity
{
    /// <summary>What the caller may not register; null when all is well, and then <paramref name="registration"/> bears the id of the caller's pod.</summary>
    public static string? Problem(Caller caller, SidecarRegistration registration)
    {
        if (caller.IsOperator)
        {
            return null;
        }

        if (registration.Namespace != caller.Namespace)
        {
            return $"namespace: {caller} may register into its own namespace only, not into '{registration.Namespace}'; write {caller.Namespace}";
        }

        if (caller.Node is not { } own)
        {
            return registration.Node is { } free && free.Contains('.') && !free.EndsWith($".{caller.Namespace}", StringComparison.Ordinal)
                ? $"node: {caller} may not register as '{free}', which names another namespace; write an id without a dot, or one that ends in .{caller.Namespace}"
                : null;
        }

        if (registration.Node is { } node && node != own)
        {
            return $"node: {caller} may register as '{own}' only, not as '{node}'; write {own}, or leave it out";
        }

        registration.Node = own;
        return null;
    }
}
