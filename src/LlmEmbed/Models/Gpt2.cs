using LlmEmbed.Checkpoints;
using LlmEmbed.Engine;

namespace LlmEmbed.Models;

/// <summary>
/// GPT-2: a decoder with learned positions, whose checkpoints store the weights of linear layers as [inputs, outputs]. Defaults are those of
/// transformers. Hugging Face: modeling_gpt2.py.
/// </summary>
internal sealed class Gpt2(Checkpoint checkpoint) : GptDecoder(checkpoint, "wte.weight", Read(checkpoint.Config))
{
    private Weight? _positions;

    protected override NormLayer FinalNorm => Norm($"{Prefix}ln_f");

    public override void Embed(ReadOnlySpan<int> ids, Span<float> destination) => EmbedBehind(0, ids, destination);

    public override void EmbedBehind(int before, ReadOnlySpan<int> ids, Span<float> destination)
    {
        base.Embed(ids, destination);
        _positions ??= Checkpoint.Require($"{Prefix}wpe.weight", MaxTokens, HiddenSize);
        float[] scratch = new float[HiddenSize];
        for (int t = 0; t < ids.Length; t++) AddRow(_positions, before + t, scratch, destination.Slice(t * HiddenSize, HiddenSize));
    }

    protected override ResidualBlock LayersOf(int block)
    {
        (int h, int inner, string name) = (HiddenSize, Config.InnerSize, $"{Prefix}h.{block}");
        LinearLayer[] attention = LinearLayer.StoredIn($"{name}.attn.c_attn", h, hasBias: true, ("query", h), ("key", h), ("value", h));
        LinearLayer Linear(string part, int inputs, int outputs) => AsStored(new LinearLayer($"{name}.{part}", inputs, outputs, HasBias: true));
        return new ResidualBlock(
            Query: AsStored(attention[0]),
            Key: AsStored(attention[1]),
            Value: AsStored(attention[2]),
            AttentionOutput: Linear("attn.c_proj", h, h),
            Gate: Linear("mlp.c_fc", h, inner),
            Up: null,
            MlpOutput: Linear("mlp.c_proj", inner, h))
        {
            AttentionInputNorm = Norm($"{name}.ln_1"),
            MlpInputNorm = Norm($"{name}.ln_2"),
            Attention = Attention,
            Rotary = null,
            Activation = Config.Activation,
        };
    }

    /// <summary>GGUF files have all weights as [outputs, inputs]. The two sizes of this one differ.</summary>
    private LinearLayer AsStored(LinearLayer layer) => layer with
    {
        IsTransposed = Checkpoint.Weights.TryGetValue($"{Prefix}h.0.attn.c_attn.weight", out Weight? first) && first.Shape[0] == HiddenSize,
    };

    private static GptConfig Read(ModelConfig config)
    {
        RequireDecoder(config);
        config.Require("scale_attn_weights", "true");
        config.Require("scale_attn_by_inverse_layer_idx", "false");
        config.Require("reorder_and_upcast_attn", "false");
        config.Require("add_cross_attention", "false");
        config.RequireMultiple("n_embd", "n_head");
        int hiddenSize = config.Size("n_embd");
        return new GptConfig
        {
            VocabularySize = config.Size("vocab_size", 50257),
            HiddenSize = hiddenSize,
            InnerSize = config.Size("n_inner", 4 * hiddenSize),
            BlockCount = config.Size("n_layer"),
            Heads = config.Size("n_head"),
            MaxPositions = config.Size("n_positions", 1024),
            Epsilon = (float)config.Number("layer_norm_epsilon", 1e-5),
            Activation = Activations.Read(config, "activation_function", "gelu_new"),
        };
    }
}
