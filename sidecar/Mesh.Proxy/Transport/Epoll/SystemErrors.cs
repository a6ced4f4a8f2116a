using System.ComponentModel;

namespace Mesh.Proxy.Transport.Epoll;

/// <summary>The system's words for its error numbers.</summary>
internal static class SystemErrors
{
    /// <summary>For example <c>Connection refused</c>.</summary>
    public static string Text(int error) => new Win32Exception(error).Message;
}
