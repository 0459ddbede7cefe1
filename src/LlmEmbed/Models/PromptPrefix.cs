using LlmEmbed.Engine;

namespace LlmEmbed.Models;

/// <summary>Where a text lies among the tokens of the prompt around it.</summary>
/// <param name="Before">Tokens before the text, the model's own special tokens included.</param>
/// <param name="After">Tokens behind it.</param>
internal readonly record struct PromptSpan(int Before, int After)
{
    /// <summary>The text's own of so many tokens; without a prompt the special tokens count as the text's.</summary>
    public Range Text(int count) => Before..(count - After);

    /// <summary>The same without the first token of all, unless there is no other.</summary>
    public Range TextWithoutFirst(int count) => Before == 0 && count - After > 1 ? 1..(count - After) : Text(count);

    /// <summary>What attention pooling chooses among.</summary>
    public Range Attended(int count, bool isDecoder) => isDecoder ? TextWithoutFirst(count) : Text(count);
}

/// <summary>
/// Keys and values, before their rotation, of the tokens that all prompted texts begin with. A decoder's tokens do not see what follows, so these are the same for
/// every text: they are computed once and put before each text's own, and only the text's tokens go through the blocks.
/// </summary>
internal sealed class PromptPrefix
{
    private const string Embeddings = "embeddings", Lengths = "lengths";

    private readonly Dictionary<int, (float[] Keys, float[] Values)> _blocks = []; // [P,kv·d] each

    private PromptPrefix(int length) => Length = length;

    /// <summary>P.</summary>
    public int Length { get; }

    /// <summary>Reads the tokens once.</summary>
    /// <param name="backbone">A decoder.</param>
    /// <param name="layers">Its layers; the graph is taken over.</param>
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
        using GraphSession session = new(graph, threads);
        float[] embeddings = new float[ids.Length * backbone.HiddenSize]; // [1,P,H]
        backbone.Embed(ids, embeddings);
        using GraphFeeds feeds = new();
        feeds.Add(Embeddings, embeddings, 1, ids.Length, backbone.HiddenSize).Add(Lengths, [ids.Length], 1);
        using GraphResults results = session.Run(feeds);
        PromptPrefix prefix = new(ids.Length);
        foreach ((int index, int block) in blocks.Index())
            prefix._blocks.Add(block, (results.Span<float>(2 * index).ToArray(), results.Span<float>(2 * index + 1).ToArray()));
        return prefix;
    }

    /// <summary>A block's keys and values, [P,kv·d] each.</summary>
    public (int Length, float[] Keys, float[] Values) Of(int block) => (Length, _blocks[block].Keys, _blocks[block].Values);

    private static string KeysOf(int block) => $"prefix_keys_{block}";

    private static string ValuesOf(int block) => $"prefix_values_{block}";
}
