using LlmEmbed.Checkpoints;
using LlmEmbed.Engine;

namespace LlmEmbed.Models;

/// <summary>The sizes of a post-norm encoder.</summary>
internal sealed record EncoderShape(
    int VocabularySize, int HiddenSize, int IntermediateSize, int BlockCount, int Heads, int PositionRows, float Epsilon, int PadId)
{
    /// <summary>Channels of a head.</summary>
    public int HeadSize => HiddenSize / Heads;

    /// <summary>Refuses sizes that cannot belong together, before anything is computed with them.</summary>
    public EncoderShape Checked(string source)
    {
        if (PadId < 0 || PadId >= VocabularySize)
            throw new LlmEmbedException($"{source}: 'pad_token_id' is {PadId}, expected one of the {VocabularySize} tokens.") { FilePath = source };
        return this;
    }
}

/// <summary>The layers of one encoder block.</summary>
internal sealed record EncoderBlock(
    LinearLayer Query,
    LinearLayer Key,
    LinearLayer Value,
    LinearLayer AttentionOutput,
    LayerNormLayer AttentionNorm,
    LinearLayer MlpInput,
    LinearLayer MlpOutput,
    LayerNormLayer MlpNorm)
{
    public Activation Activation { get; init; } = Activation.Gelu;

    /// <summary>In a gated MLP what the activated inner values are multiplied by; null if the MLP is not gated.</summary>
    public LinearLayer? MlpFactor { get; init; }

    /// <summary>Weights and biases.</summary>
    public long ParameterCount =>
        new[] { Query, Key, Value, AttentionOutput, MlpInput, MlpOutput }.Sum(layer => layer.ParameterCount)
        + (MlpFactor?.ParameterCount ?? 0) + 2 * (AttentionNorm.Size + MlpNorm.Size);
}

/// <summary>What a run's attention reads beside queries, keys and values; the same in all blocks.</summary>
/// <param name="Lengths">I32 [B], tokens of each text.</param>
/// <param name="Rotary">Tables of rotary positions; null if there are none.</param>
/// <param name="DistanceBias">Scores by distance [heads,2·positions − 1]; null if there are none.</param>
/// <param name="Positions">The longest T of any run.</param>
internal sealed record EncoderPositions(string Lengths, Rotary? Rotary, string? DistanceBias, int Positions);

/// <summary>
/// The encoder that BERT introduced and its relatives share: attention in both directions and a norm after each residual sum. The relatives differ in
/// names, in how they tell positions and in the pooler: each is a file of its own that supplies those.
/// </summary>
internal abstract class PostNormEncoder(Checkpoint checkpoint, EncoderShape shape) : Backbone(checkpoint, Words)
{
    private const string Words = "embeddings.word_embeddings.weight";

    private Weight? _words;
    private Weight? _positions;
    private Weight? _types;

    public override int BlockCount => shape.BlockCount;

    public override int HiddenSize => shape.HiddenSize;

    public override int VocabularySize => shape.VocabularySize;

    public override int MaxTokens => shape.PositionRows - FirstPosition;

    public override bool IsCausal => false;

    public override int PadId => shape.PadId;

    /// <summary>The row of the position table that the first token gets.</summary>
    protected virtual int FirstPosition => 0;

    /// <summary>Whether positions are learned rows that are added to the words.</summary>
    protected virtual bool HasPositionTable => true;

    /// <summary>Rows of the token type table; 0 if the architecture has none.</summary>
    protected virtual int TokenTypes => 0;

    protected abstract LayerNormLayer EmbeddingNorm { get; }

    /// <summary>What makes hidden states of normed embeddings, which may be narrower; null if they are hidden states already.</summary>
    protected virtual LinearLayer? EmbeddingProjection => null;

    /// <summary>The attention itself, between its linear layers.</summary>
    /// <param name="layers">The network.</param>
    /// <param name="block">The block's layers.</param>
    /// <param name="queryKeyValue">[B,T,H] each.</param>
    /// <param name="positions">What the run's attention reads beside them.</param>
    /// <returns>[B,T,H].</returns>
    protected virtual string Attend(Layers layers, EncoderBlock block, string[] queryKeyValue, EncoderPositions positions)
    {
        AttentionShape attentionShape = new(shape.Heads, shape.Heads, shape.HeadSize, 1 / MathF.Sqrt(shape.HeadSize))
        {
            IsRotary = positions.Rotary is not null,
            HasDistanceBias = positions.DistanceBias is not null,
        };
        return layers.Attend(
            queryKeyValue[0],
            queryKeyValue[1],
            queryKeyValue[2],
            attentionShape,
            positions.Lengths,
            positions.Rotary,
            distanceBias: positions.DistanceBias);
    }

    private string Attention(Layers layers, string input, EncoderBlock block, EncoderPositions positions)
    {
        string[] queryKeyValue = [layers.Linear(input, block.Query), layers.Linear(input, block.Key), layers.Linear(input, block.Value)];
        return layers.Linear(Attend(layers, block, queryKeyValue, positions), block.AttentionOutput);
    }

    private static string Mlp(Layers layers, string input, EncoderBlock block)
    {
        string inner = layers.Activate(layers.Linear(input, block.MlpInput), block.Activation); // [B,T,I]
        if (block.MlpFactor is { } factor) inner = layers.Multiply(inner, layers.Linear(input, factor));
        return layers.Linear(inner, block.MlpOutput);
    }

    private string Block(Layers layers, string hidden, EncoderBlock block, EncoderPositions positions)
    {
        hidden = layers.Norm(layers.Add(Attention(layers, hidden, block, positions), hidden), block.AttentionNorm);
        return layers.Norm(layers.Add(Mlp(layers, hidden, block), hidden), block.MlpNorm);
    }

    /// <summary>
    /// What enters is a token's row of words plus, where there are such tables, that of its position and that of type 0. The norm follows in the
    /// graph.
    /// </summary>
    public override void Embed(ReadOnlySpan<int> ids, Span<float> destination)
    {
        int size = EmbeddingSize;
        _words ??= Checkpoint.Require(Prefix + Words, shape.VocabularySize, size);
        if (HasPositionTable) _positions ??= Checkpoint.Require($"{Prefix}embeddings.position_embeddings.weight", shape.PositionRows, size);
        if (TokenTypes > 0) _types ??= Checkpoint.Require($"{Prefix}embeddings.token_type_embeddings.weight", TokenTypes, size);

        float[] scratch = new float[size];
        int position = FirstPosition;
        for (int t = 0; t < ids.Length; t++)
        {
            Span<float> token = destination.Slice(t * size, size);
            _words.CopyRow(ids[t], token);
            if (_positions is not null) AddRow(_positions, PositionOf(ids[t], ref position), scratch, token);
            if (_types is not null) AddRow(_types, 0, scratch, token);
        }
    }

    public override void Forward(Layers layers, AttentionInputs inputs, BlockRange blocks, Action<int, string> keep)
    {
        string hidden = inputs.Embeddings; // [B,T,H]
        if (blocks.First == 0)
        {
            hidden = layers.Norm(hidden, EmbeddingNorm);
            if (EmbeddingProjection is { } projection) hidden = layers.Linear(hidden, projection with { StaysFloat32 = true });
            keep(0, hidden);
        }
        if (blocks.End == blocks.First) return;

        // Tables of positions are allocated by the head size, so that has to be the checkpoint's before.
        LayersOf(0).Query.WeightIn(Checkpoint);
        EncoderPositions positions =
            new(inputs.Lengths, AddRotary(layers, inputs.Positions), AddDistanceBias(layers, inputs.Positions), inputs.Positions);
        for (int block = blocks.First; block < blocks.End; block++)
        {
            hidden = Block(layers, hidden, LayersOf(block), positions);
            keep(block + 1, hidden);
        }
    }

    public override long ParameterCount(int depth) =>
        2 * EmbeddingSize + (EmbeddingProjection?.ParameterCount ?? 0) + depth * LayersOf(0).ParameterCount;

    /// <summary>The layers of one block.</summary>
    protected abstract EncoderBlock LayersOf(int block);

    /// <summary>Adds tables of rotary positions to a network; null if the architecture has none.</summary>
    protected virtual Rotary? AddRotary(Layers layers, int positions) => null;

    /// <summary>Adds scores by distance [heads,2·positions − 1] to a network; null if the architecture has none.</summary>
    protected virtual string? AddDistanceBias(Layers layers, int positions) => null;

    /// <summary>BERT's pooler: a linear layer and tanh.</summary>
    protected string Pool(Layers layers, string firstToken, string name)
    {
        // One row per text: nothing to gain from another precision.
        LinearLayer pooler = Square(name) with { StaysFloat32 = true };
        return layers.Graph.Node("Tanh", [layers.Linear(firstToken, pooler)]);
    }

    /// <summary>A linear layer from hidden states to hidden states.</summary>
    protected LinearLayer Square(string name) => new(name, HiddenSize, HiddenSize, HasBias: true);

    /// <summary>The first linear layer of an MLP.</summary>
    protected LinearLayer ToInner(string name) => new(name, HiddenSize, shape.IntermediateSize, HasBias: true);

    /// <summary>The last linear layer of an MLP.</summary>
    protected LinearLayer FromInner(string name) => new(name, shape.IntermediateSize, HiddenSize, HasBias: true);

    /// <summary>The layers of a block under BERT's names.</summary>
    protected EncoderBlock BertBlock(string name) => new(
        Query: Square($"{name}.attention.self.query"),
        Key: Square($"{name}.attention.self.key"),
        Value: Square($"{name}.attention.self.value"),
        AttentionOutput: Square($"{name}.attention.output.dense"),
        AttentionNorm: Norm($"{name}.attention.output.LayerNorm"),
        MlpInput: ToInner($"{name}.intermediate.dense"),
        MlpOutput: FromInner($"{name}.output.dense"),
        MlpNorm: Norm($"{name}.output.LayerNorm"));

    /// <summary>The row of the position table for a token; <paramref name="next"/> is the row that the next counted token gets.</summary>
    protected virtual int PositionOf(int id, ref int next) => next++;

    /// <summary>The names of a layer norm, which the oldest checkpoints call gamma and beta.</summary>
    protected LayerNormLayer Norm(string name) => Norm(name, HiddenSize);

    /// <inheritdoc cref="Norm(string)"/>
    protected LayerNormLayer Norm(string name, int size) => Checkpoint.Weights.ContainsKey($"{name}.gamma")
        ? new($"{name}.gamma", $"{name}.beta", size, shape.Epsilon)
        : new($"{name}.weight", $"{name}.bias", size, shape.Epsilon);

    /// <summary>
    /// Refuses what would turn the encoder into a decoder. <c>is_causal</c> alone does not, since transformers never looks for it in an encoder.
    /// </summary>
    protected static void RequireEncoder(ModelConfig config)
    {
        config.Require("is_decoder", "false");
        config.Require("add_cross_attention", "false");
        config.Require("use_bidirectional_attention", "true");
        if (config.Flag("is_causal", false))
            config.Note($"'is_causal' is true, but a {config.ModelType} that is no decoder reads in both directions, in transformers too.");
    }

    /// <summary>The sizes under BERT's keys, which most relatives kept.</summary>
    protected static EncoderShape ReadSizes(ModelConfig config, int defaultPadId)
    {
        RequireEncoder(config);
        config.RequireMultiple("hidden_size", "num_attention_heads");
        return new EncoderShape(
            config.Size("vocab_size"),
            config.Size("hidden_size"),
            config.Size("intermediate_size"),
            config.Size("num_hidden_layers"),
            config.Size("num_attention_heads"),
            config.Size("max_position_embeddings"),
            (float)config.Number("layer_norm_eps", 1e-12),
            config.Int("pad_token_id", defaultPadId)).Checked(config.Source);
    }
}
