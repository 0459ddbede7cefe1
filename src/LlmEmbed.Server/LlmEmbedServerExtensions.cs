using LlmEmbed.Server.Routes;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Routing;
using Microsoft.Extensions.DependencyInjection;

namespace LlmEmbed.Server;

/// <summary>Puts the server into an ASP.NET Core application.</summary>
public static class LlmEmbedServerExtensions
{
    /// <summary>Adds the models, which are loaded when the application starts, and the queue of texts.</summary>
    /// <param name="services">The application's services.</param>
    /// <param name="options">What is served, and what is let in.</param>
    public static IServiceCollection AddLlmEmbedServer(this IServiceCollection services, LlmEmbedServerOptions options)
    {
        ArgumentNullException.ThrowIfNull(services);
        ArgumentNullException.ThrowIfNull(options);
        RouteServices.Add(services);
        services.AddSingleton(options);
        services.AddSingleton(_ => new TextQueue(options.Queue));
        services.AddSingleton<ModelCatalog>();
        services.AddSingleton<ServerTelemetry>();
        services.AddSingleton<RequestGate>();
        services.AddHostedService<ModelLoading>();
        return services;
    }

    /// <summary>Maps all routes. Each of them checks keys, sizes and times itself, so that no middleware is needed.</summary>
    /// <param name="routes">The application, or a group of its routes.</param>
    /// <returns>The group of all routes, for conventions of the application.</returns>
    public static IEndpointConventionBuilder MapLlmEmbed(this IEndpointRouteBuilder routes)
    {
        ArgumentNullException.ThrowIfNull(routes);
        RequestGate gate = routes.ServiceProvider.GetRequiredService<RequestGate>();
        RouteGroupBuilder group = routes.MapGroup("");
        RouteMap.Map(group);
        ((IEndpointConventionBuilder)group).Finally(endpoint =>
        {
            if (endpoint.RequestDelegate is { } inner) endpoint.RequestDelegate = gate.Guard(inner, endpoint.Metadata.OfType<OpenToAll>().Any());
        });
        return group;
    }
}
