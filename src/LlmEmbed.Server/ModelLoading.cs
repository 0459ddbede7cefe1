using Microsoft.Extensions.Hosting;

namespace LlmEmbed.Server;

/// <summary>Loads the models before the application begins to listen, so that it never answers without them.</summary>
internal sealed class ModelLoading(ModelCatalog catalog) : IHostedService
{
    public Task StartAsync(CancellationToken cancellationToken) =>
        catalog.IsReady ? Task.CompletedTask : Task.Run(() => catalog.Load(progress: null, cancellationToken), cancellationToken);

    public Task StopAsync(CancellationToken cancellationToken)
    {
        catalog.Retire();
        return Task.CompletedTask;
    }
}
