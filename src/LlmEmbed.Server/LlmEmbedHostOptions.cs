using System.Net;
using Microsoft.Extensions.Logging;

namespace LlmEmbed.Server;

/// <summary>Where a server of its own listens, and what it logs.</summary>
public sealed record LlmEmbedHostOptions
{
    /// <summary>The address; the default is reached from this machine only.</summary>
    public IPAddress Address { get; init; } = IPAddress.Loopback;

    /// <summary>The port; 0 takes a free one.</summary>
    public int Port { get; init; } = 8080;

    /// <summary>The most connections at once; further ones are closed.</summary>
    public int MaxConnections { get; init; } = 20_000;

    /// <summary>
    /// How long the server goes on when it is told to stop, before it accepts no more connections: until load balancers have noticed.
    /// </summary>
    public TimeSpan Drain { get; init; }

    /// <summary>The least important messages that are logged, on standard error.</summary>
    public LogLevel LogLevel { get; init; } = LogLevel.Warning;

    /// <summary>Whether each message is a JSON object.</summary>
    public bool JsonLogs { get; init; }
}

/// <summary>A server that answers.</summary>
/// <param name="Address">Where.</param>
/// <param name="Models">The names of the models.</param>
/// <param name="Loading">The time that loading took.</param>
/// <param name="WarmUp">The time until the first request need not wait: quantizing weights, compiling blocks.</param>
public sealed record ServerReady(Uri Address, IReadOnlyList<string> Models, TimeSpan Loading, TimeSpan WarmUp)
{
    /// <summary>What a user should know of the models. Each is a sentence.</summary>
    public IReadOnlyList<string> Warnings { get; init; } = [];
}
