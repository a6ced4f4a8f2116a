namespace Mesh.Shop.Hosting;

/// <summary>Ends a request with a status and a message, as an uncaught exception does in the original.</summary>
/// <param name="status">Status to answer.</param>
/// <param name="message">The <c>message</c> of the error body.</param>
internal sealed class ShopException(int status, string message) : Exception(message)
{
    /// <summary>Status to answer.</summary>
    public int Status { get; } = status;
}
