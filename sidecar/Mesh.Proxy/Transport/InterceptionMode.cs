namespace Mesh.Proxy.Transport;

/// <summary>How the calls of the application, and those for it, come to the sidecar (Istio's interceptionMode).</summary>
public enum InterceptionMode
{
    /// <summary>Nobody redirects on purpose: callers know the sidecar's ports. A redirected connection is recognized all the same.</summary>
    None,

    /// <summary>By REDIRECT rules of the kernel: services are recognized by the addresses that were dialled and need no listeners of their own.</summary>
    Redirect,

    /// <summary>The same, but inbound by TPROXY rules, which keep the caller's address. Needs CAP_NET_ADMIN.</summary>
    Tproxy,
}
