using Mesh.ControlPlane.Hosting;
using Mesh.Rules.Wire;
using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.Http.Features;
using Xunit;

namespace Mesh.ControlPlane.Tests.Hosting;

public sealed class AnswersTests
{
    [Fact]
    public async Task Body_WithoutALength_HasTheSameLimit()
    {
        Limit limit = new();
        DefaultHttpContext context = new();
        context.Features.Set<IHttpMaxRequestBodySizeFeature>(limit);
        context.Request.Body = new Endless(limit);
        using MemoryStream answer = new();
        context.Response.Body = answer;

        Assert.Null(await Answers.BodyAsync(context, WireJson.Default.SidecarReport, 100_000));

        Assert.Equal(StatusCodes.Status400BadRequest, context.Response.StatusCode);
        Assert.Equal("the body cannot be read as SidecarReport: the body has more than 100000 bytes\n", System.Text.Encoding.UTF8.GetString(answer.ToArray()));
    }

    private sealed class Limit : IHttpMaxRequestBodySizeFeature
    {
        public bool IsReadOnly => false;

        public long? MaxRequestBodySize { get; set; } = 10_000_000;
    }

    /// <summary>Blanks, as long as the limit lets them in; the server's own words end it.</summary>
    private sealed class Endless(Limit limit) : MemoryStream
    {
        private long _read;

        public override ValueTask<int> ReadAsync(Memory<byte> buffer, CancellationToken cancellationToken = default)
        {
            _read += buffer.Length;
            if (_read > limit.MaxRequestBodySize)
            {
                throw limit.MaxRequestBodySize == 100_000 ? new BadHttpRequestException("too large", StatusCodes.Status413PayloadTooLarge) : new InvalidOperationException("nobody stopped it");
            }

            buffer.Span.Fill((byte)' ');
            return ValueTask.FromResult(buffer.Length);
        }
    }
}
