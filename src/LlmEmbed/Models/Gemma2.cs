using LlmEmbed.Checkpoints;

namespace LlmEmbed.Models;

/// <summary>
/// Gemma 2: LLaMA with norms behind attention and MLP too, whose weights the files hold as what is added to 1, with larger token embeddings, a limit
/// on scores and a window in every second block. Hugging Face: modeling_gemma2.py.
/// </summary>
internal class Gemma2 : Llama
{
    public Gemma2(Checkpoint checkpoint)
        : this(checkpoint, ReadConfig(checkpoint.Config))
    {
    }

    protected Gemma2(Checkpoint checkpoint, LlamaConfig config)
        : base(checkpoint, config)
    {
    }

    public override bool HasHugeChannels => true;

    /// <summary>Defaults of transformers, whose files leave out what equals them.</summary>
    protected static LlamaDefaults Defaults { get; } = new()
    {
        ActivationKey = "hidden_activation",
        Activation = "gelu_pytorch_tanh",
        VocabularySize = 256000,
        Heads = 8,
        KeyValueHeads = 4,
        HeadSize = 256,
        MaxPositions = 8192,
        Window = 4096,
        TiesEmbeddings = true,
    };

    /// <summary>What Gemma 2 and 3 have in common.</summary>
    protected static LlamaConfig Read(ModelConfig config, LlamaDefaults defaults)
    {
        config.Require("is_causal", "true"); // use_bidirectional_attention is Gemma's key, and halves the window
        _ = config.Has("hidden_act"); // written beside hidden_activation, which alone counts
        LlamaConfig read = LlamaConfig.Read(config, defaults);
        return read with
        {
            EmbeddingFactor = MathF.Sqrt(read.HiddenSize),
            LogitFactor = config.Has("final_logit_softcapping") ? null : 1,
            NormOffset = 1,
            Scale = (float)(1 / Math.Sqrt(config.Number("query_pre_attn_scalar", 256))),
            // The file holds the whole width. In both directions a token sees half of it on each side.
            Window = read.IsCausal ? read.Window : read.Window / 2,
        };
    }

    protected override ResidualBlock LayersOf(int block) => base.LayersOf(block) with
    {
        AttentionOutputNorm = Norm($"{NameOf(block)}.post_attention_layernorm"),
        MlpInputNorm = Norm($"{NameOf(block)}.pre_feedforward_layernorm"),
        MlpOutputNorm = Norm($"{NameOf(block)}.post_feedforward_layernorm"),
    };

    private static LlamaConfig ReadConfig(ModelConfig config)
    {
        config.Require("use_bidirectional_attention", "false"); // what the window means then is known of Gemma 3 alone
        return Read(config, Defaults) with
        {
            ScoreCap = config.IsNull("attn_logit_softcapping") ? 0 : (float)config.Number("attn_logit_softcapping", 50),
            WindowedBlocks = block => block % 2 == 0,
        };
    }
}
