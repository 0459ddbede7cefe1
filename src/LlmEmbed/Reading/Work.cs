namespace LlmEmbed.Reading;

/// <summary>Who is told about work that takes long, who may stop it, and what it may use.</summary>
/// <param name="Progress">Told how far it is; null if nobody wants to know.</param>
/// <param name="CancellationToken">Stops it.</param>
/// <param name="Threads">Threads of the engine for this piece of work; null takes those of the runtime.</param>
internal readonly record struct Work(IProgress<WorkProgress>? Progress, CancellationToken CancellationToken, int? Threads = null);
