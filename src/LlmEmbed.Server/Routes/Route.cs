using LlmEmbed.Server.Problems;

namespace LlmEmbed.Server.Routes;

/// <summary>One row of the table of routes.</summary>
/// <param name="Method">GET or POST.</param>
/// <param name="Path">Its path, from the server's root.</param>
/// <param name="Name">Its name in the OpenAPI document.</param>
/// <param name="Summary">What it is for.</param>
/// <param name="Handle">Answers a request.</param>
internal sealed record Route(string Method, string Path, string Name, string Summary, Func<RouteCall, Task> Handle)
{
    /// <summary>What a user of it should know.</summary>
    public string Description { get; init; } = "";

    /// <summary>Whose clients speak it.</summary>
    public required string Family { get; init; }

    /// <summary>The type of its body; null if it has none.</summary>
    public Type? Request { get; init; }

    /// <summary>The type of its answer.</summary>
    public required Type Answer { get; init; }

    /// <summary>Whose shape its errors have.</summary>
    public ErrorShape Errors { get; init; }

    /// <summary>The statuses of the problems that it may answer with.</summary>
    public IReadOnlyList<int> Problems { get; init; } = [400, 401, 404, 408, 413, 415, 422, 424, 429];

    /// <summary>Whether it needs no key.</summary>
    public bool IsOpen { get; init; }

    /// <summary>Whether it also is reached as <c>/models/{id}</c> followed by its path, which then names the model.</summary>
    public bool IsOfModel { get; init; } = true;
}
