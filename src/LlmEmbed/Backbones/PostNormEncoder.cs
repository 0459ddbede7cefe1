using LlmEmbed.Checkpoints;

namespace LlmEmbed.Backbones;

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

    protected abstract NormNames EmbeddingNorm { get; }

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

    public override void Forward(Layers layers, AttentionInputs inputs, int depth, Action<int, string> keep)
    {
        string hidden = layers.LayerNorm(inputs.Embeddings, EmbeddingNorm, shape.HiddenSize, shape.Epsilon); // [B,T,H]
        keep(0, hidden);
        for (int block = 0; block < depth; block++)
        {
            EncoderBlockNames names = Block(block);
            string attention = Attention(layers, hidden, names, inputs);
            hidden = layers.AddAndLayerNorm(attention, hidden, names.AttentionNorm, shape.HiddenSize, shape.Epsilon);
            string mlp = Mlp(layers, hidden, names);
            hidden = layers.AddAndLayerNorm(mlp, hidden, names.MlpNorm, shape.HiddenSize, shape.Epsilon);
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
    protected NormNames Norm(string name) =>
        Checkpoint.Weights.ContainsKey($"{name}.gamma") ? new($"{name}.gamma", $"{name}.beta") : new($"{name}.weight", $"{name}.bias");

    /// <summary>The first of these prefixes under which the checkpoint has a table of words; the last one where none has, so that the error names a tensor.</summary>
    protected static string FindPrefix(Checkpoint checkpoint, params ReadOnlySpan<string> prefixes)
    {
        foreach (string prefix in prefixes)
            if (checkpoint.Weights.ContainsKey($"{prefix}embeddings.word_embeddings.weight")) return prefix;
        return prefixes[^1];
    }

    private string Attention(Layers layers, string input, EncoderBlockNames names, AttentionInputs inputs)
    {
        int h = shape.HiddenSize;
        string query = layers.Linear(input, names.Query, h, h, bias: true); // [B,T,H]
        string key = layers.Linear(input, names.Key, h, h, bias: true);
        string value = layers.Linear(input, names.Value, h, h, bias: true);
        string attention = layers.Graph.Node("MultiHeadAttention", [query, key, value, "", inputs.KeyMask], ("num_heads", shape.Heads));
        return layers.Linear(attention, names.AttentionOutput, h, h, bias: true);
    }

    private string Mlp(Layers layers, string input, EncoderBlockNames names)
    {
        string inner = layers.Linear(input, names.MlpInput, shape.IntermediateSize, shape.HiddenSize, bias: false); // [B,T,I]
        string activated = layers.Graph.Node("BiasGelu", [inner, layers.Vector($"{names.MlpInput}.bias", shape.IntermediateSize)]); // exact GELU, by erf
        return layers.Linear(activated, names.MlpOutput, shape.HiddenSize, shape.IntermediateSize, bias: true);
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
    string Query, string Key, string Value, string AttentionOutput, NormNames AttentionNorm, string MlpInput, string MlpOutput, NormNames MlpNorm);
