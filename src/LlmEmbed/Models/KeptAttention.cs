using LlmEmbed.Engine;

namespace LlmEmbed.Models;

/// <summary>Heads whose keys and values are kept from run to run.</summary>
/// <param name="Heads">How many.</param>
/// <param name="Size">Channels of each as they are kept, which may be more than the network's.</param>
internal readonly record struct KeptHeads(int Heads, int Size)
{
    /// <summary>Channels of all heads.</summary>
    public int Width => Heads * Size;
}

/// <summary>
/// Causal attention over what earlier runs read too: ONNX Runtime's own operator, which keeps keys and values in place. It takes heads of a multiple
/// of 16 channels only. Others are filled up with zeros around the operator, which changes no score and no output.
/// </summary>
internal static class KeptAttention
{
    private const int Multiple = 16;

    /// <summary>The heads that are kept for a network's heads of keys and values.</summary>
    public static KeptHeads HeadsFor(int heads, int size) => new(heads, (size + Multiple - 1) / Multiple * Multiple);

    /// <param name="graph">Where nodes go.</param>
    /// <param name="queryKeyValue">[B,T,heads·d], [B,T,kv·d] twice.</param>
    /// <param name="texts">The names of what is kept.</param>
    /// <param name="block">The block.</param>
    /// <param name="shape">Sizes and flags; it must be causal.</param>
    /// <param name="rotary">Tables of positions for heads of the size that is kept; null if the shape has none.</param>
    /// <returns>[B,T,heads·d].</returns>
    public static string Attend(OnnxGraph graph, string[] queryKeyValue, GrowingTexts texts, int block, AttentionShape shape, Rotary? rotary)
    {
        int size = shape.HeadSize, keptSize = HeadsFor(shape.KeyValueHeads, size).Size;
        if (rotary is not null && rotary.Channels < size)
            queryKeyValue = [.. queryKeyValue.Select((value, i) => i == 2 ? value : WithPairsApart(graph, value, size, rotary.Channels))];
        string[] kept = keptSize == size
            ? queryKeyValue
            : [.. queryKeyValue.Select((value, i) => Resized(graph, value, i == 0 ? shape.Heads : shape.KeyValueHeads, size, keptSize))];
        List<OnnxAttribute> attributes =
        [
            ("num_heads", shape.Heads), ("kv_num_heads", shape.KeyValueHeads), ("do_rotary", rotary is null ? 0 : 1), ("scale", shape.Scale),
        ];
        if (shape.Window > 0) attributes.Add(("local_window_size", shape.Window));
        if (shape.ScoreCap > 0) attributes.Add(("softcap", shape.ScoreCap));
        BlockCache cache = texts.Cache(block);
        string attention = graph.NextName("attention");
        graph.Node(
            "GroupQueryAttention",
            [
                .. kept, cache.PastKeys, cache.PastValues, texts.LastIndex, texts.TotalLength,
                .. rotary is null ? [] : (string[])[rotary.Cos, rotary.Sin],
            ],
            [attention, cache.Keys, cache.Values],
            [.. attributes]);
        return keptSize > size ? Resized(graph, attention, shape.Heads, keptSize, size) : attention;
    }

    /// <summary>
    /// Reorders the channels of each head, so that those that are turned together lie half a head apart, as the operator wants it, and those that
    /// stay are pairs behind them. Queries and keys are reordered alike, which changes no score.
    /// </summary>
    private static string WithPairsApart(OnnxGraph graph, string value, int size, int turned)
    {
        IEnumerable<int> Half(int first) => [.. Enumerable.Range(first * turned / 2, turned / 2), .. Rest(first)];
        IEnumerable<int> Rest(int first) => Enumerable.Range(turned + first * (size - turned) / 2, (size - turned) / 2);
        long[] order = [.. Half(0).Concat(Half(1)).Select(channel => (long)channel)];
        string heads = graph.Node("Reshape", [value, graph.Constant<long>([0, 0, -1, size], 4)]);
        string reordered = graph.Node("Gather", [heads, graph.Constant<long>(order, size)], ("axis", 3));
        return graph.Node("Reshape", [reordered, graph.Constant<long>([0, 0, -1], 3)]);
    }

    /// <summary>
    /// [B,T,heads·from] → [B,T,heads·to]. Rotary positions pair the two halves of a head, so each half is filled up or cut by itself.
    /// </summary>
    private static string Resized(OnnxGraph graph, string value, int heads, int from, int to)
    {
        string halves = graph.Node("Reshape", [value, graph.Constant<long>([0, 0, heads, 2, from / 2], 5)]);
        string resized = to > from
            ? graph.Node("Pad", [halves, graph.Constant<long>([0, (to - from) / 2], 2), "", graph.Constant<long>([4], 1)])
            : graph.Node("Slice", [halves, graph.Constant<long>([0], 1), graph.Constant<long>([to / 2], 1), graph.Constant<long>([4], 1)]);
        return graph.Node("Reshape", [resized, graph.Constant<long>([0, 0, heads * to], 3)]);
    }
}
