namespace LlmEmbed.Benchmarks;

/// <summary>
/// Draws of labelled texts that are the same on every machine and with every version of .NET, which does not promise that for <see cref="Random"/>.
/// </summary>
internal static class Draws
{
    /// <summary>Sets a share of each class aside to measure on; each class keeps at least one text and gives at least one.</summary>
    public static (LabeledText[] Kept, LabeledText[] HeldOut) HoldOut(IReadOnlyList<LabeledText> examples, double share)
    {
        bool[] isHeldOut = new bool[examples.Count];
        SplitMix random = new(0);
        foreach (int[] rows in RowsByClass(examples))
        {
            random.Shuffle(rows);
            int count = rows.Length < 2 ? 0 : Math.Clamp((int)Math.Round(rows.Length * share), 1, rows.Length - 1);
            foreach (int row in rows[..count]) isHeldOut[row] = true;
        }
        return ([.. examples.Where((_, row) => !isHeldOut[row])], [.. examples.Where((_, row) => isHeldOut[row])]);
    }

    /// <summary>A number of texts of each class, or all if a class has fewer.</summary>
    public static LabeledText[] OfEachClass(IReadOnlyList<LabeledText> examples, int perClass, int seed)
    {
        int[] order = [.. Enumerable.Range(0, examples.Count)];
        new SplitMix((ulong)seed).Shuffle(order);
        return [.. order.GroupBy(row => examples[row].Label).SelectMany(rows => rows.Take(perClass)).Order().Select(row => examples[row])];
    }

    /// <summary>So many texts, or all if there are fewer: the classes in their shares, always the same texts.</summary>
    public static LabeledText[] Stratified(IReadOnlyList<LabeledText> examples, int count)
    {
        SplitMix random = new(0);
        int[][] classes = [.. RowsByClass(examples)];
        foreach (int[] rows in classes) random.Shuffle(rows);
        int[] order = [.. classes.SelectMany(rows => rows)];
        int taken = Math.Min(count, order.Length);
        // Steps of equal width through the classes, one after the other, meet each class in its share.
        IEnumerable<int> places = Enumerable.Range(0, taken).Select(i => (int)((i + 0.5) * order.Length / taken));
        return [.. places.Select(place => order[place]).Order().Select(row => examples[row])];
    }

    private static IEnumerable<int[]> RowsByClass(IReadOnlyList<LabeledText> examples) =>
        examples.Index().GroupBy(example => example.Item.Label).OrderBy(rows => rows.Key, StringComparer.Ordinal)
            .Select(rows => rows.Select(example => example.Index).ToArray());

    /// <summary>The generator SplitMix64 (Steele, Lea and Flood 2014).</summary>
    private sealed class SplitMix(ulong state)
    {
        private ulong _state = state;

        /// <summary>Brings items into a random order (Fisher and Yates).</summary>
        public void Shuffle(int[] items)
        {
            for (int i = items.Length - 1; i > 0; i--)
            {
                int j = (int)Math.BigMul(Next(), (ulong)(i + 1), out _);
                (items[i], items[j]) = (items[j], items[i]);
            }
        }

        private ulong Next()
        {
            ulong z = _state += 0x9E3779B97F4A7C15;
            z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9;
            z = (z ^ (z >> 27)) * 0x94D049BB133111EB;
            return z ^ (z >> 31);
        }
    }
}
