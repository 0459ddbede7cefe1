namespace LlmEmbed.Server;

/// <summary>What a request asked for and cost, for metrics and the log; a feature of its context.</summary>
/// <param name="Family">"embed", "predict" or "tokenize".</param>
/// <param name="Texts">Texts of the request.</param>
/// <param name="Tokens">Their tokens.</param>
/// <param name="Times">Where the time went.</param>
internal sealed record RequestFacts(string Family, int Texts, long Tokens, QueueTimes Times);
