using System.Collections.Concurrent;
using Mesh.Shop.Hosting;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Http;

namespace Mesh.Shop.Products;

/// <summary>Body of PUT <c>/control</c>.</summary>
/// <param name="Mode"><c>ok</c>, <c>fail</c> (answer <paramref name="Status"/> at once), <c>hang</c> (no answer until the mode changes), <c>slow</c>.</param>
/// <param name="Status">Status of <c>fail</c>.</param>
/// <param name="DelayMs">Delay of <c>slow</c>.</param>
internal sealed record ControlBody(string Mode, int Status = 500, int DelayMs = 20);

/// <summary>
/// Body of GET <c>/control</c>: what the instance counted itself, calls of <c>/control</c> and the health probe left out, and the stock of
/// product 2, which everybody orders.
/// </summary>
internal sealed record ControlReport(
    string Instance, string Mode, int Status, int DelayMs, long Requests, SortedDictionary<string, long> Answers, int Active, int MaxConcurrency,
    long MaskStock);

/// <summary>Makes an instance sick on demand and counts what it serves. Thread-safe.</summary>
/// <param name="instance">Id of the instance.</param>
/// <param name="catalog">Where the stock is read.</param>
/// <param name="time">Clock of the delay.</param>
/// <param name="stopping">Releases hanging requests.</param>
internal sealed class ProductsControl(string instance, ProductCatalog catalog, TimeProvider time, CancellationToken stopping)
{
    private readonly Lock _gate = new();
    private readonly ConcurrentDictionary<int, long> _answers = new();
    private ControlBody _mode = new("ok");
    private TaskCompletionSource _modeChanged = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private long _requests;
    private int _active;
    private int _maxConcurrency;

    /// <summary>Adds the control routes, and the counting in front of all others.</summary>
    public void Map(WebApplication app)
    {
        app.Use(CountAsync);
        app.MapGet("/control", (HttpContext context) => Reply.JsonAsync(context, 200, Report(), ShopJson.Default.ControlReport));
        app.MapPut("/control", async (HttpContext context) =>
        {
            Set(await Reply.ReadAsync(context, ShopJson.Default.ControlBody));
            await Reply.JsonAsync(context, 200, Report(), ShopJson.Default.ControlReport);
        });
        app.MapDelete("/control", (HttpContext context) =>
        {
            Reset();
            return Reply.JsonAsync(context, 200, Report(), ShopJson.Default.ControlReport);
        });
    }

    private async Task CountAsync(HttpContext context, RequestDelegate next)
    {
        if (context.Request.Path == "/control" || context.Request.Path == "/actuator/health")
        {
            await next(context);
            return;
        }

        lock (_gate)
        {
            _requests++;
            _maxConcurrency = Math.Max(_maxConcurrency, ++_active);
        }

        try
        {
            await ServeAsync(context, next);
        }
        finally
        {
            _answers.AddOrUpdate(context.Response.StatusCode, 1, static (_, count) => count + 1);
            lock (_gate)
            {
                _active--;
            }
        }
    }

    private async Task ServeAsync(HttpContext context, RequestDelegate next)
    {
        (ControlBody mode, Task modeChanged) = Now();
        while (mode.Mode == "hang")
        {
            using CancellationTokenSource gone = CancellationTokenSource.CreateLinkedTokenSource(context.RequestAborted, stopping);
            await modeChanged.WaitAsync(gone.Token);
            (mode, modeChanged) = Now();
        }

        if (mode.Mode == "fail")
        {
            await Reply.ErrorAsync(context, mode.Status, "told to fail");
            return;
        }

        if (mode.Mode == "slow")
        {
            await Task.Delay(TimeSpan.FromMilliseconds(mode.DelayMs), time, context.RequestAborted);
        }

        try
        {
            await next(context);
        }
        catch (ShopException failure)
        {
            // Answered here, so that the status counted is the one sent.
            await Reply.ErrorAsync(context, failure.Status, failure.Message);
        }
    }

    private (ControlBody Mode, Task Changed) Now()
    {
        lock (_gate)
        {
            return (_mode, _modeChanged.Task);
        }
    }

    private void Set(ControlBody mode)
    {
        if (mode.Mode is not ("ok" or "fail" or "hang" or "slow") || mode.Status is < 200 or > 599 || mode.DelayMs is < 0 or > 600_000)
        {
            throw new ShopException(400, "mode is ok, fail, hang or slow; status 200 to 599; delayMs 0 to 600000");
        }

        TaskCompletionSource changed;
        lock (_gate)
        {
            _mode = mode;
            changed = _modeChanged;
            _modeChanged = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
        }

        changed.SetResult();
    }

    private void Reset()
    {
        lock (_gate)
        {
            _requests = 0;
            _maxConcurrency = _active;
            _answers.Clear();
        }
    }

    private ControlReport Report()
    {
        SortedDictionary<string, long> answers = new(StringComparer.Ordinal);
        foreach ((int status, long count) in _answers)
        {
            answers[$"{status}"] = count;
        }

        long stock = catalog.Get(2).Stock;
        lock (_gate)
        {
            return new ControlReport(instance, _mode.Mode, _mode.Status, _mode.DelayMs, _requests, answers, _active, _maxConcurrency, stock);
        }
    }
}
