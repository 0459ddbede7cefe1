using LlmEmbed.Checkpoints;
using LlmEmbed.Engine;

namespace LlmEmbed.Models;

/// <summary>The sizes of a post-norm encoder.</summary>
internal sealed record EncoderShape(
    int VocabularySize, int HiddenSize, int IntermediateSize, int BlockCount, int Heads, int PositionRows, float Epsilon, int PadId)
{
    /// <summary>Refuses sizes that cannot belong together, before anything is computed with them.</summary>
    public EncoderShape Checked(string source)
    {
        if (PadId < 0 || PadId >= VocabularySize)
            throw new LlmEmbedException($"{source}: 'pad_token_id' is {PadId}, expected one of the {VocabularySize} tokens.") { FilePath = source };
        return this;
    }
}

/// <summary>The names of one encoder block's layers, without ".weight" and ".bias".</summary>
internal sealed record EncoderBlockNames(
    string Query,
    string Key,
    string Value,
    string AttentionOutput,
    LayerNormLayer AttentionNorm,
    string MlpInput,
    string MlpOutput,
    LayerNormLayer MlpNorm);

/// <summary>
/// The encoder that BERT introduced and its relatives share: learned positions, attention in both directions, a norm after each residual sum.
/// The relatives differ in names, in where positions start and in the pooler: each is a file of its own that supplies those.
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

    /// <summary>Rows of the token type table; 0 if the architecture has none.</summary>
    protected virtual int TokenTypes => 0;

    protected abstract LayerNormLayer EmbeddingNorm { get; }

    private string Attention(Layers layers, string input, EncoderBlockNames names, string lengths)
    {
        int size = HiddenSize / shape.Heads;
        string query = layers.Linear(input, Linear(names.Query)); // [B,T,H] each
        string key = layers.Linear(input, Linear(names.Key));
        string value = layers.Linear(input, Linear(names.Value));
        AttentionShape attentionShape = new(shape.Heads, shape.Heads, size, 1 / MathF.Sqrt(size));
        string attention = layers.Attend(query, key, value, attentionShape, lengths); // [B,T,H]
        return layers.Linear(attention, Linear(names.AttentionOutput));

        LinearLayer Linear(string name) => new(name, HiddenSize, HiddenSize, HasBias: true);
    }

    private string Mlp(Layers layers, string input, EncoderBlockNames names)
    {
        string inner = layers.Linear(input, new(names.MlpInput, HiddenSize, shape.IntermediateSize, HasBias: true)); // [B,T,I]
        return layers.Linear(layers.Activate(inner, Activation.Gelu), new(names.MlpOutput, shape.IntermediateSize, HiddenSize, HasBias: true));
    }

    private string Block(Layers layers, string hidden, EncoderBlockNames names, string lengths)
    {
        hidden = layers.Norm(layers.Add(Attention(layers, hidden, names, lengths), hidden), names.AttentionNorm);
        return layers.Norm(layers.Add(Mlp(layers, hidden, names), hidden), names.MlpNorm);
    }

    /// <summary>
    /// What enters is a token's row of words plus that of its position plus, if there are types, that of type 0. The norm follows in the graph.
    /// </summary>
    public override void Embed(ReadOnlySpan<int> ids, Span<float> destination)
    {
        _words ??= Checkpoint.Require(Prefix + Words, shape.VocabularySize, shape.HiddenSize);
        _positions ??= Checkpoint.Require($"{Prefix}embeddings.position_embeddings.weight", shape.PositionRows, shape.HiddenSize);
        if (TokenTypes > 0) _types ??= Checkpoint.Require($"{Prefix}embeddings.token_type_embeddings.weight", TokenTypes, shape.HiddenSize);

        float[] scratch = new float[HiddenSize];
        int position = FirstPosition;
        for (int t = 0; t < ids.Length; t++)
        {
            Span<float> token = destination.Slice(t * HiddenSize, HiddenSize);
            _words.CopyRow(ids[t], token);
            AddRow(_positions, PositionOf(ids[t], ref position), scratch, token);
            if (_types is not null) AddRow(_types, 0, scratch, token);
        }
    }

    public override void Forward(Layers layers, AttentionInputs inputs, BlockRange blocks, Action<int, string> keep)
    {
        string hidden = inputs.Embeddings; // [B,T,H]
        if (blocks.First == 0) keep(0, hidden = layers.Norm(hidden, EmbeddingNorm));
        if (blocks.End == blocks.First) return;

        for (int block = blocks.First; block < blocks.End; block++)
        {
            hidden = Block(layers, hidden, NamesOf(block), inputs.Lengths);
            keep(block + 1, hidden);
        }
    }

    public override long ParameterCount(int depth)
    {
        long h = shape.HiddenSize;
        long attention = 4 * (h * h + h);
        long mlp = 2 * h * shape.IntermediateSize + shape.IntermediateSize + h;
        return 2 * h + depth * (attention + mlp + 4 * h);
    }

    /// <summary>The full names of one block's weights.</summary>
    protected abstract EncoderBlockNames NamesOf(int block);

    /// <summary>The row of the position table for a token; <paramref name="next"/> is the row that the next counted token gets.</summary>
    protected virtual int PositionOf(int id, ref int next) => next++;

    /// <summary>The names of a layer norm, which the oldest checkpoints call gamma and beta.</summary>
    protected LayerNormLayer Norm(string name) => Checkpoint.Weights.ContainsKey($"{name}.gamma")
        ? new($"{name}.gamma", $"{name}.beta", shape.HiddenSize, shape.Epsilon)
        : new($"{name}.weight", $"{name}.bias", shape.HiddenSize, shape.Epsilon);

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
}
