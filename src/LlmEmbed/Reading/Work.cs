namespace LlmEmbed.Reading;

/// <summary>Who is told about work that may take minutes, and who may stop it.</summary>
/// <param name="Progress">Told how far it is; null if nobody wants to know.</param>
/// <param name="CancellationToken">Stops it.</param>
internal readonly record struct Work(IProgress<WorkProgress>? Progress, CancellationToken CancellationToken);
