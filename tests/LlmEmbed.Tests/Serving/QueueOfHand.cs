using LlmEmbed.Reading;
using LlmEmbed.Serving;
using LlmEmbed.Tokenization;

namespace LlmEmbed.Tests.Serving;

/// <summary>Calls whose texts are numbers of tokens, computed by a function instead of a model.</summary>
internal static class QueueOfHand
{
    /// <summary>A call of texts with these numbers of tokens; the text of 7 tokens is "7".</summary>
    public static QueuedCall<string> Call(
        object model, int[] lengths, Func<IReadOnlyList<string>, string[]>? compute = null, bool canShareThreads = true) => new(
        new QueuedModel(model, BatchTokens: 100, canShareThreads),
        new PreparedRequest(
            [.. lengths.Select(length => $"{length}")],
            [new PreparedTexts(
                [.. lengths.Select(length => new TokenizedText(new int[length], Truncated: false))],
                [.. lengths.Select(length => TextKey.Of($"{length}"))],
                new bool[lengths.Length])]),
        (request, _) => compute?.Invoke(request.Texts) ?? [.. request.Texts]);
}
