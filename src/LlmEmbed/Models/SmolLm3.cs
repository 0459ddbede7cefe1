using LlmEmbed.Checkpoints;

namespace LlmEmbed.Models;

/// <summary>SmolLM3: LLaMA with blocks that have no positions, every fourth one unless the configuration lists them. modeling_smollm3.py.</summary>
internal sealed class SmolLm3(Checkpoint checkpoint) : Llama(checkpoint, ReadConfig(checkpoint.Config))
{
    private readonly Func<int, bool> _isRotary = ReadRotaryBlocks(checkpoint.Config);

    protected override RotarySettings? RotaryOf(int block) => _isRotary(block) ? base.RotaryOf(block) : null;

    private static LlamaConfig ReadConfig(ModelConfig config)
    {
        config.Require("use_sliding_window", "false");
        return LlamaConfig.Read(config, new LlamaDefaults { MaxPositions = 32768, TiesEmbeddings = true, WindowIsOff = true });
    }

    /// <summary>In the list, whose name says the opposite, 1 stands for a block with positions.</summary>
    private static Func<int, bool> ReadRotaryBlocks(ModelConfig config)
    {
        const string Key = "no_rope_layers";
        int blocks = config.Size("num_hidden_layers"), interval = config.Size("no_rope_layer_interval", 4);
        if (config.Ints(Key) is not { } listed) return block => (block + 1) % interval != 0;
        if (listed.Length == blocks && listed.All(value => value is 0 or 1)) return block => listed[block] == 1;
        throw config.Wrong(Key, $"must hold 0 or 1 for each of {blocks} blocks.");
    }
}
