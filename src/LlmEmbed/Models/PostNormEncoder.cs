using LlmEmbed.Checkpoints;
using LlmEmbed.Engine;

namespace LlmEmbed.Models;

/// <summary>
/// The encoder that BERT introduced and its relatives share: learned positions, attention in both directions, a norm after each residual sum.
/// The relatives differ in names, in where positions start and in the pooler: each is a file of its own that supplies those.
/// </summary>
internal abstract class PostNormEncoder(Checkpoint checkpoint, EncoderShape shape) : Backbone(checkpoint)
{
    private Weight? _words;
    private Weight? _positions;
    private Weight? _types;

    public override int BlockCount => shape.BlockCount;

    public override int HiddenSize => shape.HiddenSize;

    public override int VocabularySize => shape.VocabularySize;

    public override int MaxTokens => shape.PositionRows - FirstPosition;

    public override bool IsDecoder => false;

    public override int PadId => shape.PadId;

    /// <summary>The row of the position table that the first token gets.</summary>
    protected virtual int FirstPosition => 0;

    /// <summary>What stands before every name in this checkpoint, e.g. "bert.".</summary>
    protected abstract string Prefix { get; }

    /// <summary>Rows of the token type table; 0 where the architecture has none.</summary>
    protected virtual int TokenTypes => 0;

    protected abstract LayerNormWeights EmbeddingNorm { get; }

    /// <summary>Every token is a word plus its position plus, where there are types, type 0. Summed here, normalised in the graph.</summary>
    public override void Embed(ReadOnlySpan<int> ids, Span<float> destination)
    {
        _words ??= Checkpoint.Require($"{Prefix}embeddings.word_embeddings.weight", shape.VocabularySize, shape.HiddenSize);
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
        if (blocks.First == 0) keep(0, hidden = layers.LayerNorm(hidden, EmbeddingNorm));
        if (blocks.End == blocks.First) return;

        Rows rows = layers.Prepare(hidden, QueryKeyValue(Block(blocks.First)));
        for (int block = blocks.First; block < blocks.End; block++)
        {
            EncoderBlockNames names = Block(block);
            Product attention = Attention(layers, rows, names, inputs);
            (rows, hidden) = layers.AddAndLayerNorm(attention, hidden, names.AttentionNorm, MlpInput(names));
            Rows inner = layers.Gelu(rows, MlpInput(names), MlpOutput(names)); // [B,T,I]
            Product mlp = layers.Multiply(inner, MlpOutput(names));
            // Nothing reads the last state as rows; naming the block's own projections saves a special case.
            (rows, hidden) = layers.AddAndLayerNorm(mlp, hidden, names.MlpNorm, QueryKeyValue(Block(Math.Min(block + 1, blocks.End - 1))));
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
    protected abstract EncoderBlockNames Block(int index);

    /// <summary>The row of the position table for a token; <paramref name="next"/> is the row that the next counted token gets.</summary>
    protected virtual int PositionOf(int id, ref int next) => next++;

    /// <summary>The names of a layer norm, which the oldest checkpoints call gamma and beta.</summary>
    protected LayerNormWeights Norm(string name) => Checkpoint.Weights.ContainsKey($"{name}.gamma")
        ? new($"{name}.gamma", $"{name}.beta", shape.HiddenSize, shape.Epsilon)
        : new($"{name}.weight", $"{name}.bias", shape.HiddenSize, shape.Epsilon);

    /// <summary>The first of these prefixes under which the checkpoint has a table of words; the last one where none has, so that the error names a tensor.</summary>
    protected static string FindPrefix(Checkpoint checkpoint, params ReadOnlySpan<string> prefixes)
    {
        foreach (string prefix in prefixes)
            if (checkpoint.Weights.ContainsKey($"{prefix}embeddings.word_embeddings.weight")) return prefix;
        return prefixes[^1];
    }

    private ProjectionGroup QueryKeyValue(EncoderBlockNames names) =>
        new(HiddenSize, new Projection(names.Query, HiddenSize, true), new Projection(names.Key, HiddenSize, true), new Projection(names.Value, HiddenSize, true));

    private ProjectionGroup MlpInput(EncoderBlockNames names) => new(HiddenSize, new Projection(names.MlpInput, shape.IntermediateSize, true));

    private ProjectionGroup MlpOutput(EncoderBlockNames names) => new(shape.IntermediateSize, new Projection(names.MlpOutput, HiddenSize, true));

    private Product Attention(Layers layers, Rows input, EncoderBlockNames names, AttentionInputs inputs)
    {
        int size = HiddenSize / shape.Heads;
        string attention = layers.Attend(input, QueryKeyValue(names), new(new AttentionShape(shape.Heads, shape.Heads, size, 1 / MathF.Sqrt(size), IsDecoder: false), inputs.Lengths)); // [B,T,H]
        ProjectionGroup output = new(HiddenSize, new Projection(names.AttentionOutput, HiddenSize, true));
        return layers.Multiply(layers.Prepare(attention, output), output);
    }
}

/// <summary>The sizes of a post-norm encoder.</summary>
internal sealed record EncoderShape(int VocabularySize, int HiddenSize, int IntermediateSize, int BlockCount, int Heads, int PositionRows, float Epsilon, int PadId)
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
    string Query, string Key, string Value, string AttentionOutput, LayerNormWeights AttentionNorm, string MlpInput, string MlpOutput, LayerNormWeights MlpNorm);
