namespace LlmEmbed.Data;

/// <summary>Chunks of rows that are read, computed and used at the same time: while one is computed the next is read and prepared and the last one is used. Order is kept.</summary>
internal static class ChunkPipeline
{
    /// <param name="rows">Rows of any number, of which three chunks at most are in memory.</param>
    /// <param name="chunkRows">Rows of a chunk.</param>
    /// <param name="prepare">What can be done beside a computation, such as tokenizing.</param>
    /// <param name="compute">The work that takes long; one chunk at a time.</param>
    /// <param name="cancellation">Ends the reading at once, even where it waits for input; <paramref name="compute"/> has to see to itself.</param>
    public static IEnumerable<(T[] Rows, TResult Result)> Run<T, TPrepared, TResult>(
        IEnumerable<T> rows, int chunkRows, Func<T[], TPrepared> prepare, Func<TPrepared, TResult> compute, CancellationToken cancellation) => rows
        .Chunk(chunkRows)
        .Select(chunk => (Rows: chunk, Prepared: prepare(chunk)))
        .MadeAhead(cancellation)
        .Select(chunk => (chunk.Rows, compute(chunk.Prepared)))
        .MadeAhead(CancellationToken.None);

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
