using System.Globalization;
using LlmEmbed.Models;

namespace LlmEmbed.Reading;

/// <summary>Turns what a user asks for (depths, poolings) into views of a backbone with L blocks.</summary>
internal static class ViewSelection
{
    private const string Syntax = "Write depths as 0,8,15 (numbers), -1 (counted from the last), 50% (of all blocks), last5 (the last five) or all.";

    public static IReadOnlyList<View> Resolve(EncoderOptions options, Backbone backbone)
    {
        if (options.Views is not null) return options.Views;
        if (options.ViewsOf is not null) return options.ViewsOf(backbone);
        IReadOnlyList<View> defaults = EncoderOptions.DefaultViews(backbone.IsDecoder, backbone.BlockCount);
        if (options.Depths is null && options.Poolings is null) return defaults;

        IReadOnlyList<Pooling> poolings = options.Poolings ?? [backbone.IsDecoder ? Pooling.MeanSkipFirst : Pooling.Mean];
        if (options.Depths is not null) return Cross(ParseDepths(options.Depths, backbone.BlockCount), poolings);
        // The pooler reads the last depth only; every other pooling takes the default depths.
        return poolings.SelectMany(pooling => pooling == Pooling.Pooler
            ? [new View(backbone.BlockCount, pooling)]
            : defaults.Select(view => new View(view.Depth, pooling)).Distinct()).ToArray();
    }

    /// <exception cref="LlmEmbedException">The text is no list of depths, or a depth is outside 0..L.</exception>
    public static IReadOnlyList<int> ParseDepths(string text, int blockCount)
    {
        List<int> depths = [];
        foreach (string part in text.Split(',', StringSplitOptions.TrimEntries | StringSplitOptions.RemoveEmptyEntries))
        {
            foreach (int depth in ParsePart(part, text, blockCount))
            {
                if (depth < 0 || depth > blockCount) throw new LlmEmbedException($"Depth '{part}' is outside 0..{blockCount}, the depths of this backbone.");
                if (!depths.Contains(depth)) depths.Add(depth);
            }
        }
        return depths.Count > 0 ? depths : throw new LlmEmbedException($"No depth in '{text}'. {Syntax}");
    }

    private static IEnumerable<int> ParsePart(string part, string text, int blockCount)
    {
        if (part == "all") return Enumerable.Range(0, blockCount + 1);
        if (part.StartsWith("last", StringComparison.Ordinal) && TryParse(part[4..], out int count) && count > 0)
            return count <= blockCount + 1
                ? Enumerable.Range(blockCount - count + 1, count)
                : throw new LlmEmbedException($"'{part}' asks for {count} depths; this backbone has {blockCount + 1}.");
        if (part.EndsWith('%') && TryParse(part[..^1], out int percent) && percent is >= 0 and <= 100)
            return [(int)Math.Round(percent / 100.0 * blockCount, MidpointRounding.AwayFromZero)];
        if (TryParse(part, out int depth)) return [depth < 0 ? blockCount + 1 + depth : depth];
        throw new LlmEmbedException($"'{part}' in depths '{text}' is not understood. {Syntax}");
    }

    private static View[] Cross(IReadOnlyList<int> depths, IReadOnlyList<Pooling> poolings) =>
        depths.SelectMany(depth => poolings.Select(pooling => new View(depth, pooling))).ToArray();

    private static bool TryParse(string text, out int value) => int.TryParse(text, NumberStyles.AllowLeadingSign, CultureInfo.InvariantCulture, out value);
}
