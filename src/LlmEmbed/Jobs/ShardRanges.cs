using System.Globalization;

namespace LlmEmbed.Jobs;

/// <summary>Numbers of shards as people and schedulers write them: <c>3,7-9</c>.</summary>
public static class ShardRanges
{
    /// <summary>The numbers of a list, ascending, each once.</summary>
    /// <param name="text">Numbers and ranges, separated by commas.</param>
    /// <exception cref="LlmEmbedException">The text is no such list.</exception>
    public static IReadOnlyList<int> Parse(string text)
    {
        ArgumentNullException.ThrowIfNull(text);
        return [.. text.Split(',', StringSplitOptions.TrimEntries).SelectMany(part => RangeOf(part, text)).Distinct().Order()];
    }

    /// <summary>The shortest list of numbers.</summary>
    /// <param name="shards">The numbers, in any order.</param>
    public static string Format(IEnumerable<int> shards)
    {
        List<(int First, int Last)> ranges = [];
        foreach (int shard in shards.Order())
        {
            if (ranges.Count > 0 && ranges[^1].Last == shard - 1) ranges[^1] = ranges[^1] with { Last = shard };
            else ranges.Add((shard, shard));
        }
        return string.Join(',', ranges.Select(range => range.First == range.Last ? $"{range.First}" : $"{range.First}-{range.Last}"));
    }

    private static IEnumerable<int> RangeOf(string part, string text)
    {
        string[] ends = part.Split('-');
        if (ends.Length <= 2 && TryParse(ends[0], out int first) && TryParse(ends[^1], out int last) && first <= last)
            return Enumerable.Range(first, last - first + 1);
        throw new LlmEmbedException($"'{part}' in '{text}' is no shard, expected numbers and ranges such as 3,7-9.");
    }

    private static bool TryParse(string text, out int number) => int.TryParse(text, NumberStyles.None, CultureInfo.InvariantCulture, out number);
}
