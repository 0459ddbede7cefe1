using LlmEmbed.Server.Json;
using Microsoft.AspNetCore.Http;

namespace LlmEmbed.Server.Routes;

/// <summary>Whether the server works.</summary>
internal static class InfoRoutes
{
    public static IReadOnlyList<Route> All { get; } =
    [
        Health("/health", "health", "Whether the models are ready", ReadyAsync),
        Health("/ping", "ping", "Whether the models are ready", ReadyAsync),
        Health("/health/ready", "ready", "Whether the models are ready: send requests", ReadyAsync),
        Health("/health/live", "live", "Whether the process answers: do not restart it", LiveAsync),
    ];

    private static Route Health(string path, string name, string summary, Func<RouteCall, Task> handle) => new("GET", path, name, summary, handle)
    {
        Family = "Health",
        Answer = typeof(HealthAnswer),
        Problems = handle == LiveAsync ? [405] : [405, 503],
        IsOpen = true,
        IsOfModel = false,
    };

    private static Task LiveAsync(RouteCall call) => call.WriteAsync(new HealthAnswer("live"), ServerJson.Web.HealthAnswer);

    private static Task ReadyAsync(RouteCall call)
    {
        bool isReady = call.Catalog.IsReady;
        if (!isReady) call.Context.Response.StatusCode = StatusCodes.Status503ServiceUnavailable;
        return call.WriteAsync(new HealthAnswer(isReady ? "ready" : "starting"), ServerJson.Web.HealthAnswer);
    }
}
