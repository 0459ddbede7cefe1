using LlmEmbed.Checkpoints;
using LlmEmbed.Engine;

namespace LlmEmbed.Models;

/// <summary>
/// The LLaMA family: norms before attention and MLP, rotary positions, grouped-query attention and a gated MLP. Covers LLaMA 1 to 3, SmolLM, Mistral
/// (sliding window), Qwen2 (biases on q, k, v) and Qwen3 (norms on q and k). What differs from it by a thing or two derives from it.
/// Hugging Face: modeling_llama.py, modeling_mistral.py, modeling_qwen2.py, modeling_qwen3.py.
/// </summary>
internal class Llama : ResidualBackbone
{
    private const string Words = "embed_tokens";

    /// <summary>GGUF files of arch llama keep llama3 scaling as divisors of the frequencies in a tensor of this name.</summary>
    private const string FrequencyDivisors = "rope_freqs.weight";

    private readonly RotarySettings _rotary, _rotaryOfWindow;

    public Llama(Checkpoint checkpoint)
        : this(checkpoint, LlamaConfig.Read(checkpoint.Config))
    {
    }

    /// <param name="checkpoint">The checkpoint.</param>
    /// <param name="config">What its configuration says.</param>
    protected Llama(Checkpoint checkpoint, LlamaConfig config)
        : base(checkpoint, $"{Words}.weight", config.EmbeddingFactor)
    {
        Config = config;
        string stored = Prefix + FrequencyDivisors;
        float[]? divisors = null;
        if (checkpoint.Weights.ContainsKey(stored)) checkpoint.Require(stored, config.HeadSize / 2).CopyTo(divisors = new float[config.HeadSize / 2]);
        _rotary = new RotarySettings("rotary", config.RotaryChannels, config.RopeBase, divisors, config.Scaling);
        _rotaryOfWindow = config.WindowRope is var (ropeBase, scaling)
            ? new RotarySettings("rotary of windows", config.RotaryChannels, ropeBase, divisors, scaling)
            : _rotary;
    }

    public override int BlockCount => Config.BlockCount;

    public override int HiddenSize => Config.HiddenSize;

    public override int VocabularySize => Config.VocabularySize;

    public override int MaxTokens => Config.MaxPositions;

    public override bool IsCausal => Config.IsCausal;

    public override int PadId => Config.PadId;

    public override LinearLayer? LanguageHead =>
        !IsCausal || Config.LogitFactor is not float factor ? null
        : Config.TiesEmbeddings ? Head(Prefix + Words, factor)
        : Checkpoint.Weights.ContainsKey($"{HeadName}.weight") ? Head(HeadName, factor)
        : null;

    public override KeptHeads KeptHeads => KeptAttention.HeadsFor(Config.KeyValueHeads, Config.HeadSize);

    protected LlamaConfig Config { get; }

    protected override NormLayer FinalNorm => Norm($"{Prefix}norm");

    /// <summary>The language-model head stands beside the model and not inside of it.</summary>
    private string HeadName => (Prefix.EndsWith("model.", StringComparison.Ordinal) ? Prefix[..^"model.".Length] : Prefix) + "lm_head";

    /// <summary>What stands before the names of a block's parts.</summary>
    protected string NameOf(int block) => $"{Prefix}layers.{block}";

    protected override ResidualBlock LayersOf(int block)
    {
        LlamaConfig c = Config;
        string attention = $"{NameOf(block)}.self_attn", mlp = $"{NameOf(block)}.mlp";
        (int width, int keyValueWidth) = (c.Heads * c.HeadSize, c.KeyValueHeads * c.HeadSize);
        return new ResidualBlock(
            Query: new($"{attention}.q_proj", HiddenSize, width, c.QueryBias),
            Key: new($"{attention}.k_proj", HiddenSize, keyValueWidth, c.QueryBias),
            Value: new($"{attention}.v_proj", HiddenSize, keyValueWidth, c.QueryBias),
            AttentionOutput: new($"{attention}.o_proj", width, HiddenSize, c.OutputBias),
            Gate: new($"{mlp}.gate_proj", HiddenSize, c.IntermediateSize, c.MlpBias),
            Up: new($"{mlp}.up_proj", HiddenSize, c.IntermediateSize, c.MlpBias),
            MlpOutput: new($"{mlp}.down_proj", c.IntermediateSize, HiddenSize, c.MlpBias))
        {
            AttentionInputNorm = Norm($"{NameOf(block)}.input_layernorm"),
            MlpInputNorm = Norm($"{NameOf(block)}.post_attention_layernorm"),
            QueryNorm = c.QueryNorm ? Norm($"{attention}.q_norm", c.HeadSize) : null,
            KeyNorm = c.QueryNorm ? Norm($"{attention}.k_norm", c.HeadSize) : null,
            Attention = new(c.Heads, c.KeyValueHeads, c.HeadSize, c.Scale)
            {
                IsCausal = c.IsCausal,
                Window = c.WindowOf(block),
                ScoreCap = c.ScoreCap,
            },
            Rotary = RotaryOf(block),
            Activation = c.Activation,
        };
    }

    /// <summary>The positions in one block; null if it has none.</summary>
    protected virtual RotarySettings? RotaryOf(int block) => Config.HasWindow(block) ? _rotaryOfWindow : _rotary;

    /// <summary>A norm of hidden states.</summary>
    protected RmsNormLayer Norm(string name) => Norm(name, HiddenSize);

    protected RmsNormLayer Norm(string name, int size) => new($"{name}.weight", size, Config.Epsilon) { WeightOffset = Config.NormOffset };

    private LinearLayer Head(string name, float factor) =>
        new(name, HiddenSize, VocabularySize, HasBias: false) { StaysFloat32 = true, Factor = factor };
}
