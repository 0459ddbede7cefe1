using System.IO.Hashing;
using System.Runtime.InteropServices;

namespace LlmEmbed.Jobs;

/// <summary>Consecutive rows that go through the model together.</summary>
/// <param name="Number">Counted from 0 over the whole input.</param>
/// <param name="FirstRow">The number of its first row, counted from 0 over the whole input.</param>
/// <param name="Rows">Its rows.</param>
internal sealed record JobUnit(long Number, long FirstRow, IReadOnlyList<JobRow> Rows)
{
    public long Characters => Rows.Sum(row => (long)row.Text.Length);

    /// <summary>Its rows that can be read.</summary>
    public JobRow[] Readable => [.. Rows.Where(row => row.Problem is null)];

    /// <summary>Its rows that cannot be read: their places among the unit's rows, and the reasons.</summary>
    public (int Row, string Reason)[] Unreadable =>
        [.. Rows.Index().Where(row => row.Item.Problem is not null).Select(row => (row.Index, row.Item.Problem!))];

    /// <summary>A hash of all that the rows give to the result, and of the unit's number.</summary>
    public UInt128 Hash()
    {
        XxHash128 hash = new();
        Append(hash, Number);
        foreach (JobRow row in Rows)
        {
            Append(hash, row.Problem);
            Append(hash, row.Text);
            foreach (LlmEmbed.Data.TableValue value in row.Kept)
            {
                Append(hash, value.IsJson ? 1 : 0);
                Append(hash, value.Text);
            }
        }
        return hash.GetCurrentHashAsUInt128();
    }

    /// <summary>Cuts rows into units. Where the rows of a whole input are cut, any range of units of it is cut in the same way.</summary>
    /// <param name="rows">The rows, from the beginning of a unit on.</param>
    /// <param name="number">The number of the first unit.</param>
    /// <param name="firstRow">The number of the first row.</param>
    /// <param name="size">After how much a unit ends.</param>
    public static IEnumerable<JobUnit> Cut(IEnumerable<JobRow> rows, long number, long firstRow, UnitSize size)
    {
        foreach (JobRow[] unit in LlmEmbed.Data.ChunkPipeline.ChunkByLength(rows, row => row.Text, size.Characters, size.Rows))
        {
            yield return new JobUnit(number++, firstRow, unit);
            firstRow += unit.Length;
        }
    }

    private static void Append(XxHash128 hash, string? text)
    {
        Append(hash, text?.Length ?? -1);
        hash.Append(MemoryMarshal.AsBytes(text.AsSpan()));
    }

    private static void Append(XxHash128 hash, long number) => hash.Append(MemoryMarshal.AsBytes(new ReadOnlySpan<long>(ref number)));
}
