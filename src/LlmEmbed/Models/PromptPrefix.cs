using LlmEmbed.Engine;

namespace LlmEmbed.Models;

/// <summary>Keys and values of one block, before their rotation.</summary>
/// <param name="Length">P, tokens.</param>
/// <param name="Keys">[P,kv·d].</param>
/// <param name="Values">[P,kv·d].</param>
internal sealed record PrefixBlock(int Length, float[] Keys, float[] Values);

/// <summary>
/// Keys and values, before their rotation, of the tokens that all prompted texts begin with. A causal backbone's tokens do not see what follows, so
/// these are the same for every text: they are computed once and put before each text's own, and only the text's tokens go through the blocks.
/// </summary>
internal sealed class PromptPrefix
{
    private const string Embeddings = "embeddings", Lengths = "lengths";

    private readonly Dictionary<int, PrefixBlock> _blocks = [];

    private PromptPrefix(int length) => Length = length;

    /// <summary>P, the tokens.</summary>
    public int Length { get; }

    /// <summary>Reads the tokens once.</summary>
    /// <param name="backbone">A causal backbone.</param>
    /// <param name="layers">A new network, which is compiled.</param>
    /// <param name="depth">The blocks that will be needed.</param>
    /// <param name="ids">The P tokens.</param>
    /// <param name="threads">Engine threads, 0 for one per physical core.</param>
    public static PromptPrefix Read(Backbone backbone, Layers layers, int depth, int[] ids, int threads)
    {
        OnnxGraph graph = layers.Graph;
        List<int> blocks = [];
        AttentionInputs inputs = new(
            graph.Input(Embeddings, OnnxType.Float, null, null, backbone.HiddenSize),
            graph.Input(Lengths, OnnxType.Int32, [null]),
            ids.Length)
        {
            KeysAndValues = (block, keys, values) =>
            {
                blocks.Add(block);
                graph.Output(keys, KeysOf(block), OnnxType.Float, null, null, null);
                graph.Output(values, ValuesOf(block), OnnxType.Float, null, null, null);
            },
        };
        backbone.Forward(layers, inputs, new BlockRange(0, depth), (_, _) => { });
        using GraphSession session = layers.Compile(threads);
        float[] embeddings = new float[ids.Length * backbone.HiddenSize]; // [1,P,H]
        backbone.Embed(ids, embeddings);
        using GraphFeeds feeds = new();
        feeds.Add(Embeddings, embeddings, 1, ids.Length, backbone.HiddenSize).Add(Lengths, [ids.Length], 1);
        using GraphResults results = session.Run(feeds);
        PromptPrefix prefix = new(ids.Length);
        foreach ((int index, int block) in blocks.Index())
            prefix._blocks.Add(
                block, new PrefixBlock(ids.Length, results.Span<float>(2 * index).ToArray(), results.Span<float>(2 * index + 1).ToArray()));
        return prefix;
    }

    /// <summary>A block's keys and values.</summary>
    public PrefixBlock Of(int block) => _blocks[block];

    private static string KeysOf(int block) => $"prefix_keys_{block}";

    private static string ValuesOf(int block) => $"prefix_values_{block}";
}
