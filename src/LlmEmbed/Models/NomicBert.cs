using LlmEmbed.Checkpoints;
using LlmEmbed.Engine;

namespace LlmEmbed.Models;

/// <summary>
/// Nomic BERT (nomic-embed-text v1 and v1.5): BERT's order of layers with rotary positions and a gated MLP. Keys and names of tensors are those of
/// its own code (modeling_hf_nomic_bert.py, after GPT-2) or those of transformers (modeling_nomic_bert.py), which also writes its keys beside the
/// other names.
/// </summary>
internal sealed class NomicBert : PostNormEncoder
{
    private static readonly Names
        OwnNames = new("encoder.layers", "emb_ln", "attn.out_proj", "norm1", "mlp.fc12", "mlp.fc11", "mlp.fc2", "norm2"),
        NativeNames = new(
            "layers",
            "embeddings.LayerNorm",
            "self_attn.o_proj",
            "post_attention_layernorm",
            "mlp.gate_proj",
            "mlp.up_proj",
            "mlp.down_proj",
            "post_mlp_layernorm");

    private readonly Names _names;
    private readonly EncoderShape _shape;
    private readonly RotarySettings _rotary;
    private readonly int _tokenTypes;
    private readonly bool _attentionBias, _innerBias, _outputBias;

    public NomicBert(Checkpoint checkpoint)
        : this(checkpoint, ReadShape(checkpoint.Config))
    {
    }

    private NomicBert(Checkpoint checkpoint, EncoderShape shape)
        : base(checkpoint, shape)
    {
        ModelConfig config = checkpoint.Config;
        _shape = shape;
        _names = checkpoint.Weights.ContainsKey($"{Prefix}{OwnNames.EmbeddingNorm}.weight") ? OwnNames : NativeNames;
        _tokenTypes = config.Int("type_vocab_size", 2);
        _attentionBias = config.Flag("qkv_proj_bias", false);
        _innerBias = config.Flag("mlp_fc1_bias", false);
        _outputBias = config.Flag("mlp_fc2_bias", false);
        (double ropeBase, RopeScaling? scaling) = IsNative(config) ? RopeScaling.Read(config) : (config.Number("rotary_emb_base", 10000), null);
        _rotary = new RotarySettings("rotary", shape.HeadSize, ropeBase, Divisors: null, scaling);
    }

    protected override bool HasPositionTable => false;

    protected override int TokenTypes => _tokenTypes;

    protected override LayerNormLayer EmbeddingNorm => Norm(Prefix + _names.EmbeddingNorm);

    protected override EncoderBlock LayersOf(int block)
    {
        (int h, int inner, string name) = (HiddenSize, _shape.IntermediateSize, $"{Prefix}{_names.Blocks}.{block}.");
        LinearLayer[] attention = _names == OwnNames
            ? LinearLayer.StoredIn($"{name}attn.Wqkv", h, _attentionBias, ("query", h), ("key", h), ("value", h))
            : [.. "qkv".Select(part => new LinearLayer($"{name}self_attn.{part}_proj", h, h, _attentionBias))];
        return new EncoderBlock(
            Query: attention[0],
            Key: attention[1],
            Value: attention[2],
            AttentionOutput: new(name + _names.AttentionOutput, h, h, _attentionBias),
            AttentionNorm: Norm(name + _names.AttentionNorm),
            MlpInput: new(name + _names.Gate, h, inner, _innerBias),
            MlpOutput: new(name + _names.Down, inner, h, _outputBias),
            MlpNorm: Norm(name + _names.MlpNorm))
        {
            Activation = Activation.Silu,
            MlpFactor = new(name + _names.Up, h, inner, _innerBias),
        };
    }

    protected override Rotary AddRotary(Layers layers, int positions) => Rotary.Add(layers, _rotary, positions, _shape.HeadSize);

    /// <summary>Whether the keys are those of transformers.</summary>
    private static bool IsNative(ModelConfig config) => config.Has("hidden_size");

    private static EncoderShape ReadShape(ModelConfig config)
    {
        if (config.Int("moe_every_n_layers", 0) > 0)
        {
            throw config.Wrong(
                "moe_every_n_layers", "asks for experts, as nomic-embed-text-v2-moe does, which are not implemented; nomic-embed-text-v1.5 is.");
        }
        (EncoderShape shape, string heads) = IsNative(config) ? (ReadNative(config), "num_attention_heads") : (ReadOwn(config), "n_head");
        if (shape.HeadSize % 2 == 0) return shape;
        throw config.Wrong(heads, $"gives heads of {shape.HeadSize} channels, expected an even number.");
    }

    private static EncoderShape ReadNative(ModelConfig config)
    {
        config.Require("hidden_act", "silu");
        EncoderShape shape = ReadSizes(config, defaultPadId: 0);
        config.Require("head_dim", $"{shape.HeadSize}");
        return shape;
    }

    private static EncoderShape ReadOwn(ModelConfig config)
    {
        RequireEncoder(config);
        config.Require("activation_function", "swiglu");
        foreach (string key in (string[])["causal", "prenorm", "parallel_block", "use_rms_norm", "rotary_emb_interleaved",
            "scale_attn_by_inverse_layer_idx"]) config.Require(key, "false");
        config.Require("scale_attn_weights", "true");
        config.Require("rotary_emb_scale_base", "null");
        if (config.Number("rotary_emb_fraction", 0) != 1) throw config.Wrong("rotary_emb_fraction", "is not 1 (nothing else is implemented).");
        config.RequireMultiple("n_embd", "n_head");
        // A scaling factor changes the base for longer texts than the model was trained with.
        int positions = config.Size("n_positions"), trained = config.Size("max_trained_positions", positions);
        return new EncoderShape(
            config.Size("vocab_size"),
            config.Size("n_embd"),
            config.Size("n_inner"),
            config.Size("n_layer"),
            config.Size("n_head"),
            config.Has("rotary_scaling_factor") ? Math.Min(positions, trained) : positions,
            (float)config.Number("layer_norm_epsilon", 1e-5),
            config.Int("pad_token_id", 0)).Checked(config.Source);
    }

    /// <summary>The names of tensors, without what stands before and behind them.</summary>
    private sealed record Names(
        string Blocks, string EmbeddingNorm, string AttentionOutput, string AttentionNorm, string Gate, string Up, string Down, string MlpNorm);
}
