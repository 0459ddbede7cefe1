namespace LlmEmbed.Data;

/// <summary>
/// Splits labelled rows so that every part has its share of every class. The result depends on labels, groups and the seed alone. Rows of one group
/// (see <see cref="OverlappingTexts"/>) stay together, as far as the classes allow. No groups mean the same as a group for each row.
/// </summary>
internal static class StratifiedSplit
{
    /// <summary>With fewer groups than this, some parts could get no rows if groups were kept together.</summary>
    private const int LeastGroups = 100;

    /// <summary>
    /// Sets rows aside. Of every class of at least two rows, some are kept; and some are set aside, unless groups prevent it.
    /// </summary>
    /// <returns>The two parts, each in ascending order.</returns>
    public static (int[] Kept, int[] HeldOut) HoldOut(ReadOnlySpan<int> labels, double fraction, ulong seed, ReadOnlySpan<int> groups = default)
    {
        if (FirstRows(groups) is { } first)
        {
            bool[] isHeldOut = new bool[labels.Length];
            (int[] units, int[] unitLabels) = Units(first, labels);
            foreach (int unit in HoldOut(unitLabels, fraction, seed).HeldOut) isHeldOut[units[unit]] = true;
            int[] parts = [.. first.Select(row => isHeldOut[row] ? 1 : 0)];
            Separate(labels, parts, parts: 2);
            return ([.. RowsOf(0)], [.. RowsOf(1)]);

            IEnumerable<int> RowsOf(int part) => Enumerable.Range(0, parts.Length).Where(row => parts[row] == part);
        }
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
    /// Deals the rows of each class to the folds in turn. Each class goes on where the class before it ended, so that the sizes of the folds differ
    /// by one at most. A class with fewer rows than folds is missing from the held-out part of some folds, but if it has at least two rows, it is
    /// never missing from a training part.
    /// </summary>
    /// <returns>[N], for each row its fold.</returns>
    public static int[] Folds(ReadOnlySpan<int> labels, int foldCount, ulong seed, ReadOnlySpan<int> groups = default)
    {
        if (FirstRows(groups) is { } first)
        {
            int[] foldOf = new int[labels.Length];
            (int[] units, int[] unitLabels) = Units(first, labels);
            foreach ((int unit, int fold) in units.Zip(Folds(unitLabels, foldCount, seed))) foldOf[unit] = fold;
            int[] grouped = [.. first.Select(row => foldOf[row])];
            Separate(labels, grouped, foldCount);
            return grouped;
        }
        int[] folds = new int[labels.Length];
        int dealt = 0;
        foreach (int[] rows in ShuffledRowsByClass(labels, seed))
            foreach (int row in rows) folds[row] = dealt++ % foldCount;
        return folds;
    }

    /// <summary>
    /// About <paramref name="count"/> rows, in ascending order. Classes keep their shares, and each keeps two rows if it has them.
    /// </summary>
    public static int[] Sample(ReadOnlySpan<int> labels, int count, ulong seed)
    {
        if (labels.Length <= count) return [.. Enumerable.Range(0, labels.Length)];
        double fraction = (double)count / labels.Length;
        List<int> sample = [];
        foreach (int[] rows in ShuffledRowsByClass(labels, seed))
            sample.AddRange(rows.AsSpan(0, Math.Min(rows.Length, Math.Max(2, (int)(rows.Length * fraction)))));
        return [.. sample.Order()];
    }

    /// <summary>[N], for each row the first row of its group; null if every row is alone, or if there are too few groups to split by them.</summary>
    private static int[]? FirstRows(ReadOnlySpan<int> groups)
    {
        Dictionary<int, int> firstOf = [];
        int[] first = new int[groups.Length];
        for (int row = 0; row < first.Length; row++)
        {
            firstOf.TryAdd(groups[row], row);
            first[row] = firstOf[groups[row]];
        }
        return firstOf.Count < LeastGroups || firstOf.Count == first.Length ? null : first;
    }

    /// <summary>The first row of each group, and its label.</summary>
    private static (int[] Rows, int[] Labels) Units(int[] first, ReadOnlySpan<int> labels)
    {
        List<int> rows = [], own = [];
        for (int row = 0; row < first.Length; row++)
        {
            if (first[row] != row) continue;
            rows.Add(row);
            own.Add(labels[row]);
        }
        return ([.. rows], [.. own]);
    }

    /// <summary>
    /// Moves the last row of each class whose rows all lie in one part. Otherwise the class would be missing when that part is left out.
    /// </summary>
    private static void Separate(ReadOnlySpan<int> labels, int[] partOf, int parts)
    {
        Dictionary<int, (int Part, int Last, int Count, bool IsSpread)> classes = [];
        for (int row = 0; row < partOf.Length; row++)
        {
            var known = classes.GetValueOrDefault(labels[row], (partOf[row], row, 0, false));
            classes[labels[row]] = (known.Item1, row, known.Item3 + 1, known.Item4 || partOf[row] != known.Item1);
        }
        foreach ((int part, int last, int count, bool isSpread) in classes.Values)
            if (count > 1 && !isSpread) partOf[last] = (part + 1) % parts;
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
