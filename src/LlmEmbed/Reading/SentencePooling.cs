using System.Text.Json;
using LlmEmbed.Checkpoints;
using LlmEmbed.Engine;
using LlmEmbed.Files;

namespace LlmEmbed.Reading;

/// <summary>
/// A pooling mode of sentence-transformers. The modes are much like the poolings of <see cref="Poolings"/>, but a prompt counts as part of the text
/// unless the repository says that it does not, and then only what stands behind it is pooled.
/// </summary>
/// <param name="Name">As <c>pooling_mode</c> names it.</param>
/// <param name="Flag">The key that older files set to true.</param>
internal sealed record SentencePooling(string Name, string Flag) : TokenPooling
{
    private const float Excluded = -1e9f;

    /// <summary>The modes, one row each, in the order in which several flags are concatenated.</summary>
    private static readonly SentencePooling[] Table =
    [
        new("cls", "pooling_mode_cls_token") { Input = At("sentence_first", batch => batch.FirstOfSentences()), Nodes = pool => pool.TokenAt() },
        new("max", "pooling_mode_max_tokens")
        {
            Input = PoolingInput.Bias("sentence_bias", (batch, text) => batch.Sentence(text), Excluded),
            Nodes = pool => pool.LargestOfChannels(),
        },
        Mean("mean", "pooling_mode_mean_tokens", (_, count, _) => 1f / count),
        Mean("mean_sqrt_len_tokens", "pooling_mode_mean_sqrt_len_tokens", (_, count, _) => 1 / MathF.Sqrt(count)),
        // A token's weight is its place in the whole text, counted from 1, also where a prompt at the beginning is left out.
        Mean("weightedmean", "pooling_mode_weightedmean_tokens", (place, count, first) =>
            (first + place + 1) * 2f / (count * (2f * first + count + 1))),
        new("lasttoken", "pooling_mode_lasttoken")
        {
            Input = At("sentence_last", batch => batch.LastTokens()), Nodes = pool => pool.TokenAt(), ReadsPrompt = false,
        },
    ];

    /// <summary>Whether states of the prompt's tokens take part where the prompt counts as text.</summary>
    public bool ReadsPrompt { get; init; } = true;

    /// <summary>The mode of a repository that has no modules.json.</summary>
    public static SentencePooling Of(string name) => Table.Single(mode => mode.Name == name);

    /// <summary>The modes that a pooling module concatenates, and whether the prompt's tokens are among those that are pooled.</summary>
    /// <param name="config">The module's config.json.</param>
    /// <param name="hiddenSize">H of the transformer.</param>
    /// <exception cref="LlmEmbedException">It asks for something that is not implemented, or for another size.</exception>
    public static (IReadOnlyList<SentencePooling> Modes, bool IncludesPrompt) Read(JsonSection config, int hiddenSize)
    {
        string sizeKey = config.Has("embedding_dimension") ? "embedding_dimension" : "word_embedding_dimension";
        if (config.Int(sizeKey) is var size && size != hiddenSize)
            throw config.Error($"'{sizeKey}' is {size}, but the hidden states of the transformer have {hiddenSize} channels.");
        SentencePooling[] flagged = [.. Table.Where(mode => config.Flag(mode.Flag, fallback: false))];
        string[]? named = config.KindOf("pooling_mode") switch
        {
            JsonValueKind.Null => null,
            JsonValueKind.String => [config.Text("pooling_mode")],
            _ => [.. config.TextsOrNull("pooling_mode")!],
        };
        SentencePooling Named(string name) => Table.FirstOrDefault(mode => mode.Name == name) ?? throw config.Error(
            $"the pooling mode '{name}' is not known, expected {string.Join(" or ", Table.Select(mode => mode.Name))}.");
        IReadOnlyList<SentencePooling> modes = named is { Length: > 0 } ? [.. named.Select(Named)] : flagged.Length > 0 ? flagged : [Of("mean")];
        bool includesPrompt = config.Flag("include_prompt", fallback: true);
        SentenceFiles.RefuseUnread(config.Ignore("word_embedding_dimension"));
        return (modes, includesPrompt);
    }

    private static SentencePooling Mean(string name, string flag, TokenWeight weight) => new(name, flag)
    {
        Input = PoolingInput.Weights($"sentence_{name}", (batch, text) => batch.Sentence(text), weight),
        Nodes = pool => pool.WeightedSum(),
    };

    /// <summary>One position for each text: [B,1,2], its index and the position.</summary>
    private static PoolingInput At(string name, Func<PooledBatch, long[]> positions) => new(
        name,
        (graph, input) => graph.Input(input, OnnxType.Int64, null, 1, 2),
        (feeds, input, batch) => feeds.Add(input, positions(batch), batch.Count, 1, 2));
}
