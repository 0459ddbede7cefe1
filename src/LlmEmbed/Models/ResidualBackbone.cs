using LlmEmbed.Checkpoints;
using LlmEmbed.Engine;

namespace LlmEmbed.Models;

/// <summary>
/// The layers of one block: attention and an MLP, gated or not. Each of them reads the residual sum through a norm, may have a norm of its own behind
/// it, and is added to the sum. A norm that is null is not there.
/// </summary>
internal sealed record ResidualBlock(
    LinearLayer Query,
    LinearLayer Key,
    LinearLayer Value,
    LinearLayer AttentionOutput,
    LinearLayer Gate,
    LinearLayer? Up,
    LinearLayer MlpOutput)
{
    /// <summary>Whether the MLP reads the same residual sum as the attention, and not the one with the attention in it.</summary>
    public bool IsParallel { get; init; }

    public NormLayer? AttentionInputNorm { get; init; }

    public NormLayer? AttentionOutputNorm { get; init; }

    public NormLayer? MlpInputNorm { get; init; }

    public NormLayer? MlpOutputNorm { get; init; }

    /// <summary>Over each head by itself if it has the size of a head, else over all heads together.</summary>
    public NormLayer? QueryNorm { get; init; }

    /// <inheritdoc cref="QueryNorm"/>
    public NormLayer? KeyNorm { get; init; }

    /// <summary>What the attention is, but for its positions.</summary>
    public required AttentionShape Attention { get; init; }

    /// <summary>How queries and keys are turned; null if they are not.</summary>
    public required RotarySettings? Rotary { get; init; }

    /// <summary>The function of the gate, or of the only layer in its place if there is no <see cref="Up"/>.</summary>
    public required Activation Activation { get; init; }

    /// <summary>Weights and biases.</summary>
    public long ParameterCount =>
        new[] { Query, Key, Value, AttentionOutput, Gate, Up, MlpOutput }.Sum(layer => layer?.ParameterCount ?? 0)
        + new[] { AttentionInputNorm, AttentionOutputNorm, MlpInputNorm, MlpOutputNorm, QueryNorm, KeyNorm }.Sum(norm => norm?.ParameterCount ?? 0);
}

/// <summary>
/// The network that LLaMA and most language models after it share: blocks that add to a residual sum, which no norm touches until the last one. The
/// relatives differ in names and norms, in the positions and in what a token sees: each is a file of its own that supplies those.
/// </summary>
/// <param name="checkpoint">The checkpoint. No weight of it is read before the network is run.</param>
/// <param name="wordTable">The name of the table of token embeddings, without what may stand before all names.</param>
/// <param name="embeddingFactor">What token embeddings are multiplied by.</param>
internal abstract class ResidualBackbone(Checkpoint checkpoint, string wordTable, float embeddingFactor = 1) : Backbone(checkpoint, wordTable)
{
    private readonly string _wordTable = wordTable;
    private Weight? _words;

    /// <summary>The norm behind the token embeddings; null if there is none.</summary>
    protected virtual NormLayer? EmbeddingNorm => null;

    /// <summary>The norm behind the last block.</summary>
    protected abstract NormLayer FinalNorm { get; }

    /// <summary>The layers of one block.</summary>
    protected abstract ResidualBlock LayersOf(int block);

    /// <summary>Adds what all blocks add to their scores by the distance of tokens, [heads,2·positions − 1]; null if they add nothing.</summary>
    /// <param name="layers">The network.</param>
    /// <param name="positions">The longest T of any run.</param>
    protected virtual string? AddDistanceBias(Layers layers, int positions) => null;

    public override void Embed(ReadOnlySpan<int> ids, Span<float> destination)
    {
        _words ??= Checkpoint.Require(Prefix + _wordTable, VocabularySize, HiddenSize).Times(embeddingFactor);
        for (int t = 0; t < ids.Length; t++) _words.CopyRow(ids[t], destination.Slice(t * HiddenSize, HiddenSize));
    }

    public sealed override void Forward(Layers layers, AttentionInputs inputs, BlockRange blocks, Action<int, string> keep)
    {
        // The tables of rotary positions are allocated by the head size, so that has to be the checkpoint's before.
        LayersOf(0).Query.WeightIn(Checkpoint);
        string hidden = inputs.Embeddings; // [B,T,H]
        if (blocks.First == 0) keep(0, hidden = Normed(layers, hidden, EmbeddingNorm));
        Dictionary<string, Rotary> rotaries = new(StringComparer.Ordinal);
        string? distanceBias = blocks.End > blocks.First ? AddDistanceBias(layers, inputs.Positions) : null;
        for (int block = blocks.First; block < blocks.End; block++)
        {
            ResidualBlock parts = LayersOf(block);
            ResidualPositions positions = new(parts.Rotary is null ? null : RotaryOf(parts.Rotary), distanceBias);
            hidden = Block(layers, hidden, block, parts, inputs, positions);
            // The last hidden state is the one after the final norm.
            keep(block + 1, block + 1 == BlockCount ? layers.Norm(hidden, FinalNorm) : hidden);
        }

        Rotary RotaryOf(RotarySettings settings)
        {
            if (rotaries.TryGetValue(settings.Name, out Rotary? known)) return known;
            return rotaries[settings.Name] =
                Rotary.Add(layers, settings, inputs.Positions, inputs.Growing is null ? settings.Channels : KeptHeads.Size);
        }
    }

    public sealed override long ParameterCount(int depth) =>
        Enumerable.Range(0, depth).Sum(block => LayersOf(block).ParameterCount)
        + (EmbeddingNorm?.ParameterCount ?? 0) + (depth == BlockCount ? FinalNorm.ParameterCount : 0);

    private static string Block(
        Layers layers, string hidden, int block, ResidualBlock parts, AttentionInputs inputs, ResidualPositions positions)
    {
        string attention = Attention(layers, Normed(layers, hidden, parts.AttentionInputNorm), block, parts, inputs, positions);
        string sum = layers.Add(Normed(layers, attention, parts.AttentionOutputNorm), hidden);
        string mlp = Mlp(layers, Normed(layers, parts.IsParallel ? hidden : sum, parts.MlpInputNorm), parts);
        return layers.Add(Normed(layers, mlp, parts.MlpOutputNorm), sum);
    }

    private static string Attention(
        Layers layers, string input, int block, ResidualBlock parts, AttentionInputs inputs, ResidualPositions positions)
    {
        (Rotary? rotary, string? distanceBias) = positions;
        AttentionShape shape = parts.Attention with { IsRotary = rotary is not null, HasDistanceBias = distanceBias is not null };
        string query = layers.Linear(input, parts.Query); // [B,T,heads·d]
        string key = layers.Linear(input, parts.Key); // [B,T,kv·d]
        string value = layers.Linear(input, parts.Value); // [B,T,kv·d]
        query = HeadsNormed(layers, query, shape.Heads, shape.HeadSize, parts.QueryNorm);
        key = HeadsNormed(layers, key, shape.KeyValueHeads, shape.HeadSize, parts.KeyNorm);
        inputs.KeysAndValues?.Invoke(block, key, value);
        string attention = inputs.Growing is { } growing // [B,T,heads·d]
            ? KeptAttention.Attend(layers.Graph, [query, key, value], growing, block, shape, rotary)
            : layers.Attend(query, key, value, shape, inputs.Lengths, rotary, inputs.Prefix?.Of(block), distanceBias);
        return layers.Linear(attention, parts.AttentionOutput);
    }

    private static string Mlp(Layers layers, string input, ResidualBlock parts)
    {
        string inner = layers.Activate(layers.Linear(input, parts.Gate), parts.Activation); // [B,T,I]
        if (parts.Up is { } up) inner = layers.Multiply(inner, layers.Linear(input, up));
        return layers.Linear(inner, parts.MlpOutput);
    }

    private static string Normed(Layers layers, string value, NormLayer? norm) => norm is null ? value : layers.Norm(value, norm);

    private static string HeadsNormed(Layers layers, string value, int heads, int headSize, NormLayer? norm) =>
        norm is not null && norm.Size == headSize ? layers.HeadNorm(value, heads, norm) : Normed(layers, value, norm);
}

/// <summary>What a block's attention knows about positions.</summary>
/// <param name="Rotary">Tables of rotary positions; null if it has none.</param>
/// <param name="DistanceBias">Scores by distance; null if it has none.</param>
internal readonly record struct ResidualPositions(Rotary? Rotary, string? DistanceBias);
