using LlmEmbed.Checkpoints;
using LlmEmbed.Engine;

namespace LlmEmbed.Models;

/// <summary>What the LLaMA family reads from its configuration.</summary>
internal sealed record LlamaConfig
{
    private const string SlidingAttention = "sliding_attention";

    /// <summary>Hugging Face's default of <c>sliding_window</c> for Mistral and Qwen; a configuration without a window says null.</summary>
    private const int DefaultWindow = 4096;

    /// <summary>Hugging Face's default of <c>max_window_layers</c>.</summary>
    private const int DefaultFullAttentionBlocks = 28;

    public required int VocabularySize { get; init; }

    public required int HiddenSize { get; init; }

    public required int IntermediateSize { get; init; }

    public required int BlockCount { get; init; }

    public required int Heads { get; init; }

    public required int KeyValueHeads { get; init; }

    public required int HeadSize { get; init; }

    public required int MaxPositions { get; init; }

    public required float Epsilon { get; init; }

    public required bool QueryBias { get; init; }

    public required bool OutputBias { get; init; }

    public required bool MlpBias { get; init; }

    public required bool QueryNorm { get; init; }

    public required int PadId { get; init; }

    /// <summary>Whether the token embeddings are the language-model head's weights too.</summary>
    public required bool TiesEmbeddings { get; init; }

    /// <summary>
    /// Whether a token sees only itself and the tokens before it. Models that were made encoders by further training say no, either by
    /// <c>is_causal: false</c> or by <c>use_bidirectional_attention: true</c>.
    /// </summary>
    public required bool IsCausal { get; init; }

    /// <summary>Each token sees this many tokens, itself included; null if it sees all before it.</summary>
    public required int? Window { get; init; }

    /// <summary>The blocks from this one on have the window, unless <see cref="LayerTypes"/> says it block by block.</summary>
    public required int FirstWindowedBlock { get; init; }

    /// <summary>For each block <c>full_attention</c> or <c>sliding_attention</c>, null if the configuration does not say it.</summary>
    public required IReadOnlyList<string>? LayerTypes { get; init; }

    public required double RopeBase { get; init; }

    /// <summary>The rotary scaling section, whose <c>rope_type</c> has been checked; null for plain rotary positions.</summary>
    public required RopeScaling? Scaling { get; init; }

    public bool HasWindow(int block) =>
        Window is not null && (LayerTypes is null ? block >= FirstWindowedBlock : LayerTypes[block] == SlidingAttention);

    public static LlamaConfig Read(ModelConfig config)
    {
        config.Require("hidden_act", "silu");
        int hiddenSize = config.Size("hidden_size");
        int blocks = config.Size("num_hidden_layers");
        int heads = config.Size("num_attention_heads");
        int keyValueHeads = config.Size("num_key_value_heads", heads);
        if (keyValueHeads != heads) config.RequireMultiple("num_attention_heads", "num_key_value_heads");
        int headSize = config.Size("head_dim", hiddenSize / heads);
        if (headSize % 2 != 0)
            throw new LlmEmbedException(
                $"{config.Source}: heads have {headSize} channels (head_dim), expected an even number: rotary positions turn them in pairs.")
            { FilePath = config.Source };
        bool attentionBias = config.Flag("attention_bias", false);
        (double ropeBase, RopeScaling? scaling) = RopeScaling.Read(config);
        bool isQwen = config.ModelType is "qwen2" or "qwen3";
        int? window = ReadWindow(config, isQwen);
        bool isCausal = ReadCausality(config);
        if (!isCausal && window is not null)
            throw new LlmEmbedException(
                $"{config.Source}: a sliding window ({window}) together with attention in both directions " +
                $"is not implemented for model_type '{config.ModelType}'.")
            { FilePath = config.Source };
        return new LlamaConfig
        {
            VocabularySize = config.Size("vocab_size"),
            HiddenSize = hiddenSize,
            IntermediateSize = config.Size("intermediate_size"),
            BlockCount = blocks,
            Heads = heads,
            KeyValueHeads = keyValueHeads,
            HeadSize = headSize,
            MaxPositions = config.Size("max_position_embeddings", 2048),
            Epsilon = (float)config.Number("rms_norm_eps", 1e-6),
            QueryBias = attentionBias || config.ModelType == "qwen2",
            OutputBias = attentionBias,
            MlpBias = config.Flag("mlp_bias", false),
            QueryNorm = config.ModelType == "qwen3",
            PadId = config.IntOrNull("pad_token_id") is int pad and >= 0 ? pad : 0,
            TiesEmbeddings = config.Flag("tie_word_embeddings", false),
            IsCausal = isCausal,
            Window = window,
            FirstWindowedBlock = isQwen ? config.Int("max_window_layers", DefaultFullAttentionBlocks) : 0,
            LayerTypes = ReadLayerTypes(config, blocks, window),
            RopeBase = ropeBase,
            Scaling = scaling,
        };
    }

    /// <summary>
    /// Whether a token sees only what stands before it. <c>is_causal: null</c> is refused: Python takes it for false, and the absence of the key for
    /// true.
    /// </summary>
    private static bool ReadCausality(ModelConfig config)
    {
        _ = config.Has("is_decoder"); // this family is a decoder whatever the key says, and old versions of transformers wrote false for all models
        if (config.IsNull("is_causal")) throw config.Wrong("is_causal", "is null, expected true or false.");
        return config.Flag("is_causal", true) && !config.Flag("use_bidirectional_attention", false);
    }

    /// <summary>
    /// Mistral's window holds for every block; Qwen's only with <c>use_sliding_window</c>, in the blocks that <c>layer_types</c> or
    /// <c>max_window_layers</c> name.
    /// </summary>
    private static int? ReadWindow(ModelConfig config, bool isQwen)
    {
        int? window = config.Has("sliding_window") ? config.Size("sliding_window")
            : config.IsNull("sliding_window") || config.ModelType == "llama" ? null
            : DefaultWindow;
        return isQwen && !config.Flag("use_sliding_window", false) ? null : window;
    }

    private static IReadOnlyList<string>? ReadLayerTypes(ModelConfig config, int blocks, int? window)
    {
        if (config.Texts("layer_types") is not { } types) return null;
        if (types.Count == blocks && types.All(type => type == "full_attention" || (type == SlidingAttention && window is not null))) return types;
        throw new LlmEmbedException(
            $"{config.Source}: 'layer_types' must name full_attention or, where there is a window, {SlidingAttention} for each of {blocks} blocks.")
        { FilePath = config.Source };
    }
}

/// <summary>
/// The LLaMA family: norms before attention and MLP, rotary positions, grouped-query attention and a gated MLP. Covers LLaMA 1 to 3, SmolLM, Mistral
/// (sliding window), Qwen2 (biases on q, k, v) and Qwen3 (norms on q and k).
/// Hugging Face: modeling_llama.py, modeling_mistral.py, modeling_qwen2.py, modeling_qwen3.py.
/// </summary>
internal sealed class Llama : Backbone
{
    private const string Words = "embed_tokens.weight";

    /// <summary>GGUF files of arch llama keep llama3 scaling as divisors of the frequencies in a tensor of this name.</summary>
    private const string FrequencyDivisors = "rope_freqs.weight";

    private readonly LlamaConfig _config;
    private readonly Weight _tokenEmbeddings;

    public Llama(Checkpoint checkpoint)
        : base(checkpoint, Words)
    {
        _config = LlamaConfig.Read(checkpoint.Config);
        _tokenEmbeddings = checkpoint.Require(Prefix + Words, _config.VocabularySize, _config.HiddenSize);
        // The table of rotary positions is allocated by the head size, so that has to be the checkpoint's before.
        checkpoint.Require($"{Prefix}layers.0.self_attn.q_proj.weight", (long)_config.Heads * _config.HeadSize, _config.HiddenSize);
    }

    public override int BlockCount => _config.BlockCount;

    public override int HiddenSize => _config.HiddenSize;

    public override int VocabularySize => _config.VocabularySize;

    public override int MaxTokens => _config.MaxPositions;

    public override bool IsCausal => _config.IsCausal;

    public override int PadId => _config.PadId;

    public override LinearLayer? LanguageHead =>
        !_config.IsCausal ? null
        : _config.TiesEmbeddings ? Head($"{Prefix}embed_tokens")
        : Checkpoint.Weights.ContainsKey($"{HeadName}.weight") ? Head(HeadName)
        : null;

    public override KeptHeads KeptHeads => KeptAttention.HeadsFor(_config.KeyValueHeads, _config.HeadSize);

    private string Attention(Layers layers, string input, int block, AttentionInputs inputs, Rotary rotary)
    {
        LlamaConfig c = _config;
        string name = $"{Prefix}layers.{block}.self_attn";
        string query = layers.Linear(input, new($"{name}.q_proj", HiddenSize, c.Heads * c.HeadSize, c.QueryBias)); // [B,T,heads·d]
        string key = layers.Linear(input, new($"{name}.k_proj", HiddenSize, c.KeyValueHeads * c.HeadSize, c.QueryBias)); // [B,T,kv·d]
        string value = layers.Linear(input, new($"{name}.v_proj", HiddenSize, c.KeyValueHeads * c.HeadSize, c.QueryBias)); // [B,T,kv·d]
        if (c.QueryNorm)
        {
            query = layers.HeadNorm(query, c.Heads, new RmsNormLayer($"{name}.q_norm.weight", c.HeadSize, c.Epsilon));
            key = layers.HeadNorm(key, c.KeyValueHeads, new RmsNormLayer($"{name}.k_norm.weight", c.HeadSize, c.Epsilon));
        }
        inputs.KeysAndValues?.Invoke(block, key, value);
        AttentionShape shape = new(c.Heads, c.KeyValueHeads, c.HeadSize, 1 / MathF.Sqrt(c.HeadSize))
        {
            IsCausal = c.IsCausal,
            IsRotary = true,
            Window = c.HasWindow(block) ? c.Window!.Value : 0,
        };
        string attention = inputs.Growing is { } growing // [B,T,heads·d]
            ? KeptAttention.Attend(layers.Graph, [query, key, value], growing, block, shape, rotary)
            : layers.Attend(query, key, value, shape, inputs.Lengths, rotary, inputs.Prefix?.Of(block));
        return layers.Linear(attention, new($"{name}.o_proj", c.Heads * c.HeadSize, HiddenSize, c.OutputBias));
    }

    private string Mlp(Layers layers, string input, string name)
    {
        LlamaConfig c = _config;
        string gate = layers.Linear(input, new($"{name}.gate_proj", HiddenSize, c.IntermediateSize, c.MlpBias)); // [B,T,I]
        string up = layers.Linear(input, new($"{name}.up_proj", HiddenSize, c.IntermediateSize, c.MlpBias)); // [B,T,I]
        string gated = layers.Multiply(layers.Activate(gate, Activation.Silu), up);
        return layers.Linear(gated, new($"{name}.down_proj", c.IntermediateSize, HiddenSize, c.MlpBias));
    }

    private string Block(Layers layers, string hidden, int block, AttentionInputs inputs, Rotary rotary)
    {
        string name = $"{Prefix}layers.{block}";
        hidden = layers.Add(Attention(layers, layers.Norm(hidden, Norm($"{name}.input_layernorm")), block, inputs, rotary), hidden);
        return layers.Add(Mlp(layers, layers.Norm(hidden, Norm($"{name}.post_attention_layernorm")), $"{name}.mlp"), hidden);
    }

    public override void Embed(ReadOnlySpan<int> ids, Span<float> destination)
    {
        for (int t = 0; t < ids.Length; t++) _tokenEmbeddings.CopyRow(ids[t], destination.Slice(t * HiddenSize, HiddenSize));
    }

    public override void Forward(Layers layers, AttentionInputs inputs, BlockRange blocks, Action<int, string> keep)
    {
        string hidden = inputs.Embeddings; // [B,T,H]
        if (blocks.First == 0) keep(0, hidden);
        if (blocks.End == blocks.First) return;

        int headSize = inputs.Growing is null ? _config.HeadSize : KeptHeads.Size;
        Rotary rotary = Rotary.Add(layers, RotarySettings(), inputs.Positions, headSize);
        for (int block = blocks.First; block < blocks.End; block++)
        {
            hidden = Block(layers, hidden, block, inputs, rotary);
            // The last hidden state is the one after the final norm.
            keep(block + 1, block + 1 == BlockCount ? layers.Norm(hidden, Norm($"{Prefix}norm")) : hidden);
        }
    }

    public override long ParameterCount(int depth)
    {
        LlamaConfig c = _config;
        long attention = 2L * c.HiddenSize * c.HeadSize * (c.Heads + c.KeyValueHeads);
        long mlp = 3L * c.HiddenSize * c.IntermediateSize;
        return depth * (attention + mlp + 2L * c.HiddenSize) + (depth == BlockCount ? c.HiddenSize : 0);
    }

    private RmsNormLayer Norm(string name) => new($"{name}.weight", HiddenSize, _config.Epsilon);

    /// <summary>The language-model head stands beside the model and not inside of it.</summary>
    private string HeadName => (Prefix.EndsWith("model.", StringComparison.Ordinal) ? Prefix[..^"model.".Length] : Prefix) + "lm_head";

    private LinearLayer Head(string name) => new(name, HiddenSize, VocabularySize, HasBias: false) { StaysFloat32 = true };

    private RotarySettings RotarySettings()
    {
        float[] divisors = [.. Enumerable.Repeat(1f, _config.HeadSize / 2)];
        string stored = Prefix + FrequencyDivisors;
        if (Checkpoint.Weights.ContainsKey(stored)) Checkpoint.Require(stored, divisors.Length).CopyTo(divisors);
        return new RotarySettings("rotary", _config.HeadSize, _config.RopeBase, divisors, _config.Scaling);
    }
}
