using LlmEmbed.Checkpoints;

namespace LlmEmbed.Models;

/// <summary>
/// The text model of Gemma 3, also with attention in both directions (EmbeddingGemma): Gemma 2 without a limit on scores, with norms on queries and
/// keys, and with frequencies of their own in the blocks that have a window, which are five of six. Models that read pictures too (model_type
/// <c>gemma3</c>) nest its configuration in <c>text_config</c>. Hugging Face: modeling_gemma3.py.
/// </summary>
internal sealed class Gemma3(Checkpoint checkpoint) : Gemma2(checkpoint, ReadConfig(checkpoint.Config))
{
    private static LlamaConfig ReadConfig(ModelConfig config)
    {
        if (config.ModelType == "gemma3" && config.Section("text_config") is { } text)
        {
            _ = config.Has("vision_config"); // pictures come as tokens, of which a text has none
            text.Require("model_type", "gemma3_text");
            config = text;
        }
        config.Require("attn_logit_softcapping", "null");
        _ = config.Has("_sliding_window_pattern"); // transformers writes it and never reads it
        int pattern = config.Size("sliding_window_pattern", 6);
        LlamaDefaults defaults = Defaults with
        {
            VocabularySize = 262208,
            MaxPositions = 131072,
            RopeBase = 1000000,
            WindowRope = ("rope_local_base_freq", 10000),
        };
        return Read(config, defaults) with { QueryNorm = true, WindowedBlocks = block => (block + 1) % pattern != 0 };
    }
}
