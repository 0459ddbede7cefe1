namespace LlmEmbed.Heads;

/// <summary>Splits of labelled rows in which every part has its share of every class. They depend on the labels and the seed alone.</summary>
internal static class StratifiedSplit
{
    /// <summary>Sets rows aside; every class of at least two rows appears in both parts.</summary>
    /// <returns>The two parts, each in ascending order.</returns>
    public static (int[] Kept, int[] HeldOut) HoldOut(ReadOnlySpan<int> labels, double fraction, ulong seed)
    {
        List<int> kept = [], heldOut = [];
        foreach (int[] rows in ShuffledRowsByClass(labels, seed))
        {
            int taken = rows.Length < 2 ? 0 : Math.Clamp((int)Math.Round(rows.Length * fraction), 1, rows.Length - 1);
            heldOut.AddRange(rows.AsSpan(0, taken));
            kept.AddRange(rows.AsSpan(taken));
        }
        return ([.. kept.Order()], [.. heldOut.Order()]);
    }

    /// <summary>
    /// Deals the rows of each class to folds in turn, each class going on where the one before ended, so that the folds' sizes differ by one at most.
    /// A class with fewer rows than folds is missing from some folds' held-out part but never from a training part, if it has at least two rows.
    /// </summary>
    /// <returns>For each row its fold.</returns>
    public static int[] Folds(ReadOnlySpan<int> labels, int foldCount, ulong seed)
    {
        int[] folds = new int[labels.Length];
        int dealt = 0;
        foreach (int[] rows in ShuffledRowsByClass(labels, seed))
            foreach (int row in rows) folds[row] = dealt++ % foldCount;
        return folds;
    }

    /// <summary>At most <paramref name="count"/> rows, in ascending order; classes keep their shares, and each keeps two rows if it has them.</summary>
    public static int[] Sample(ReadOnlySpan<int> labels, int count, ulong seed)
    {
        if (labels.Length <= count) return [.. Enumerable.Range(0, labels.Length)];
        double fraction = (double)count / labels.Length;
        List<int> sample = [];
        foreach (int[] rows in ShuffledRowsByClass(labels, seed))
            sample.AddRange(rows.AsSpan(0, Math.Min(rows.Length, Math.Max(2, (int)(rows.Length * fraction)))));
        return [.. sample.Order()];
    }

    private static List<int[]> ShuffledRowsByClass(ReadOnlySpan<int> labels, ulong seed)
    {
        DeterministicRandom random = new(seed);
        SortedDictionary<int, List<int>> rowsOfClass = [];
        for (int row = 0; row < labels.Length; row++)
        {
            if (!rowsOfClass.TryGetValue(labels[row], out List<int>? rows)) rowsOfClass.Add(labels[row], rows = []);
            rows.Add(row);
        }
        return rowsOfClass.Values.Select(rows =>
        {
            int[] shuffled = [.. rows];
            random.Shuffle(shuffled.AsSpan());
            return shuffled;
        }).ToList();
    }
}
