namespace LlmEmbed.Data;

/// <summary>
/// Reads, computes and uses chunks of rows at the same time: while one chunk is computed, the next one is read and prepared and the last one is used.
/// The order of the rows is kept.
/// </summary>
internal static class ChunkPipeline
{
    /// <param name="chunks">Any number of chunks, of which three are in memory.</param>
    /// <param name="prepare">Work that can be done while another chunk is computed, such as tokenizing.</param>
    /// <param name="compute">The work that takes long, done for one chunk at a time.</param>
    /// <param name="cancellationToken">
    /// Ends the reading at once, even if it waits for input. A computation that is running is not ended by it: <paramref name="compute"/> must look
    /// at the token itself.
    /// </param>
    public static IEnumerable<(T[] Rows, TResult Result)> Run<T, TPrepared, TResult>(
        IEnumerable<T[]> chunks, Func<T[], TPrepared> prepare, Func<TPrepared, TResult> compute, CancellationToken cancellationToken) => chunks
        .Select(chunk => (Rows: chunk, Prepared: prepare(chunk)))
        .MadeAhead(cancellationToken)
        .Select(chunk => (chunk.Rows, compute(chunk.Prepared)))
        .MadeAhead(CancellationToken.None);

    /// <summary>
    /// Divides rows into chunks of about as much work. A chunk ends with the row with which it reaches a number of characters, or a number of rows.
    /// </summary>
    public static IEnumerable<T[]> ChunkByLength<T>(this IEnumerable<T> rows, Func<T, string> textOf, int characters, int mostRows)
    {
        List<T> chunk = [];
        long sum = 0;
        foreach (T row in rows)
        {
            chunk.Add(row);
            sum += textOf(row).Length;
            if (sum < characters && chunk.Count < mostRows) continue;
            yield return [.. chunk];
            chunk.Clear();
            sum = 0;
        }
        if (chunk.Count > 0) yield return [.. chunk];
    }

    /// <summary>The same items, each made by another thread while the item before it is used.</summary>
    /// <param name="source">Makes the items.</param>
    /// <param name="abandon">
    /// Ends the wait for an item that is being made and leaves the source to itself. If it is never cancelled, the end of the enumeration waits for
    /// the item, so that nothing that the source needs is freed too early.
    /// </param>
    private static IEnumerable<T> MadeAhead<T>(this IEnumerable<T> source, CancellationToken abandon)
    {
        IEnumerator<T> items = source.GetEnumerator();
        Task<(bool Exists, T Item)> next = Next();
        try
        {
            while (next.WaitAsync(abandon).GetAwaiter().GetResult() is (true, T item))
            {
                next = Next();
                yield return item;
            }
        }
        finally
        {
            Task.WhenAny(next, Task.Delay(Timeout.Infinite, abandon)).Wait(CancellationToken.None);
            if (next.IsCompleted) items.Dispose();
        }

        Task<(bool, T)> Next() => Task.Run(() => items.MoveNext() ? (true, items.Current) : (false, default(T)!), CancellationToken.None);
    }
}
