using LlmEmbed.Server.Problems;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.Http.Metadata;
using Microsoft.AspNetCore.Routing;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Logging;

namespace LlmEmbed.Server.Routes;

/// <summary>All routes of the server.</summary>
internal static class RouteMap
{
    /// <summary>Every route that speaks JSON.</summary>
    public static IReadOnlyList<Route> All { get; } =
    [
        .. TeiRoutes.All, .. OpenAiRoutes.All, .. HuggingFaceRoutes.All, .. ClassifyRoutes.All, .. HiddenStateRoutes.All, .. InfoRoutes.All,
        .. ModelRoutes.All,
    ];

    public static void Map(IEndpointRouteBuilder routes)
    {
        foreach (Route route in All) Map(routes, route);
        PageRoute.Map(routes);
        OpenApiRoute.Map(routes);
    }

    /// <summary>Has a route answer a request that came by another path.</summary>
    public static async Task ForwardAsync(RouteCall call, Route route, string model)
    {
        call.Context.Items[typeof(ErrorShape)] = route.Errors;
        if (route.Errors == ErrorShape.OpenAi) ProblemWriter.NameRequest(call.Context);
        using RouteCall forwarded = new(call.Context, model);
        await route.Handle(forwarded);
    }

    private static void Map(IEndpointRouteBuilder routes, Route route)
    {
        RequestDelegate handler = context => AnswerAsync(context, route);
        IEndpointConventionBuilder endpoint = routes.MapMethods(route.Path, [route.Method], handler);
        // The method is what the OpenAPI document looks for. Every content type is let in here, because the refusal is to have the route's shape.
        ProducesResponseTypeMetadata answer = new(StatusCodes.Status200OK, route.Answer, ["application/json"]);
        endpoint.WithMetadata(route, new ErrorShapeOf(route.Errors), handler.Method, answer);
        if (route.IsOpen) endpoint.WithMetadata(new OpenToAll());
        if (route.Request is not null) endpoint.WithMetadata(new AcceptsMetadata(["application/json", "*/*"], route.Request));
    }

    private static async Task AnswerAsync(HttpContext context, Route route)
    {
        if (route.Errors == ErrorShape.OpenAi) ProblemWriter.NameRequest(context);
        using RouteCall call = new(context, modelOfPath: null);
        try
        {
            await route.Handle(call);
        }
        catch (Exception exception) when (exception is not OperationCanceledException || !context.RequestAborted.IsCancellationRequested)
        {
            Problem? problem = Problem.Of(exception);
            if (problem is null || exception is TextFailedException) Log(context, route, exception.InnerException ?? exception);
            await ProblemWriter.WriteAsync(context, problem ?? new Problem(
                StatusCodes.Status500InternalServerError, ProblemType.Backend, "The server failed at this request; its log says where."));
        }
    }

    /// <summary>The kind of an exception and where it was thrown. Its message may quote a text, so that is not logged.</summary>
    private static void Log(HttpContext context, Route route, Exception exception)
    {
        ILogger logger = context.RequestServices.GetRequiredService<ILoggerFactory>().CreateLogger(typeof(RouteMap));
        logger.LogError(
            "{Method} {Path} failed: {Exception}\n{StackTrace}", route.Method, route.Path, exception.GetType().FullName, exception.StackTrace);
    }
}
