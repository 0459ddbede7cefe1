using Microsoft.Extensions.DependencyInjection;

namespace LlmEmbed.Server.Routes;

/// <summary>What the routes need of the application.</summary>
internal static class RouteServices
{
    /// <summary>Adds it once, however often it is called.</summary>
    public static IServiceCollection Add(IServiceCollection services) =>
        services.Any(service => service.ServiceType == typeof(OpenApiFile))
            ? services
            : services.AddSingleton<OpenApiFile>().AddOpenApi(OpenApiFile.DocumentName, OpenApiRoute.Describe);
}
