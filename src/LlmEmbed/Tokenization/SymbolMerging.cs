using System.Runtime.InteropServices;

namespace LlmEmbed.Tokenization;

/// <summary>A part of a word while byte-pair encoding merges neighbours. The symbols of a word form a linked list.</summary>
[StructLayout(LayoutKind.Auto)]
internal struct Symbol
{
    public int Id;
    public int Start;

    /// <summary>Its length in UTF-16 units; 0 after it was merged into its left neighbour.</summary>
    public int Length;
    public int Previous;
    public int Next;
}

/// <summary>Says which neighbours merge, and in which order.</summary>
internal interface IMergeTable
{
    /// <param name="left">A symbol.</param>
    /// <param name="right">Its right neighbour.</param>
    /// <param name="rank">The pair with the lowest rank merges first; of equal ranks the leftmost one.</param>
    /// <param name="id">The token that the two become.</param>
    bool TryGetMerge(in Symbol left, in Symbol right, out int rank, out int id);
}

/// <summary>
/// Byte-pair encoding with a queue of possible merges. The time is n log n in the number of symbols of a word, so that a word of 200,000 characters
/// does not take minutes.
/// </summary>
internal static class SymbolMerging
{
    private const int None = -1;

    [ThreadStatic]
    private static PriorityQueue<Merge, long>? t_queue;

    /// <summary>A queued merge of the symbol at <paramref name="Position"/> with its right neighbour.</summary>
    [StructLayout(LayoutKind.Auto)]
    private readonly record struct Merge(int Position, int Id);

    /// <summary>Merges until no rule fits. The symbols that are left are linked from symbol 0 on by <see cref="Symbol.Next"/>.</summary>
    public static void MergeAll<TTable>(Span<Symbol> symbols, TTable table)
        where TTable : IMergeTable, allows ref struct
    {
        PriorityQueue<Merge, long> queue = t_queue ??= new PriorityQueue<Merge, long>();
        queue.Clear();
        for (int position = 0; position < symbols.Length; position++)
        {
            symbols[position].Previous = position - 1;
            symbols[position].Next = position + 1 < symbols.Length ? position + 1 : None;
        }
        for (int position = 0; position + 1 < symbols.Length; position++) Enqueue(symbols, position, table, queue);

        while (queue.TryDequeue(out Merge merge, out _))
        {
            ref Symbol left = ref symbols[merge.Position];
            if (left.Length == 0 || left.Next == None) continue;
            ref Symbol right = ref symbols[left.Next];
            // Either side may have changed since the merge was queued.
            if (!table.TryGetMerge(left, right, out _, out int id) || id != merge.Id) continue;

            left.Id = id;
            left.Length += right.Length;
            right.Length = 0;
            left.Next = right.Next;
            if (left.Next != None) symbols[left.Next].Previous = merge.Position;

            if (left.Previous != None) Enqueue(symbols, left.Previous, table, queue);
            if (left.Next != None) Enqueue(symbols, merge.Position, table, queue);
        }
    }

    private static void Enqueue<TTable>(Span<Symbol> symbols, int position, TTable table, PriorityQueue<Merge, long> queue)
        where TTable : IMergeTable, allows ref struct
    {
        ref Symbol left = ref symbols[position];
        if (table.TryGetMerge(left, symbols[left.Next], out int rank, out int id))
            queue.Enqueue(new Merge(position, id), ((long)rank << 32) | (uint)position);
    }
}
