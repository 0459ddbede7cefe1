namespace LlmEmbed.Data;

/// <summary>Chunks of rows that are read, computed and used at the same time: while one is computed the next is read and prepared and the last one is used. Order is kept.</summary>
internal static class ChunkPipeline
{
    /// <param name="chunks">Any number of them, of which three are in memory.</param>
    /// <param name="prepare">What can be done beside a computation, such as tokenizing.</param>
    /// <param name="compute">The work that takes long; one chunk at a time.</param>
    /// <param name="cancellation">Ends the reading at once, even where it waits for input; <paramref name="compute"/> has to see to itself.</param>
    public static IEnumerable<(T[] Rows, TResult Result)> Run<T, TPrepared, TResult>(
        IEnumerable<T[]> chunks, Func<T[], TPrepared> prepare, Func<TPrepared, TResult> compute, CancellationToken cancellation) => chunks
        .Select(chunk => (Rows: chunk, Prepared: prepare(chunk)))
        .MadeAhead(cancellation)
        .Select(chunk => (chunk.Rows, compute(chunk.Prepared)))
        .MadeAhead(CancellationToken.None);

    /// <summary>Rows in chunks of about as much work: each ends with the row that reaches a number of characters, or at a number of rows.</summary>
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

    /// <summary>The same items, each made by another thread while the one before it is used.</summary>
    /// <param name="source">What makes them.</param>
    /// <param name="abandon">Ends the wait for an item; whatever makes it is then left alone. None waits until it is made, so that nothing it needs is freed too early.</param>
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
