using System.Collections.Concurrent;
using LlmEmbed.Data;
using Xunit;

namespace LlmEmbed.Tests.Data;

public sealed class ChunkPipelineTests
{
    private static readonly TimeSpan Never = TimeSpan.FromMinutes(1);

    private static CancellationToken Cancellation => TestContext.Current.CancellationToken;

    [Fact]
    public void Chunks_keep_their_order_and_all_rows()
    {
        (int[] Rows, int Sum)[] chunks = [.. ChunkPipeline.Run(Enumerable.Range(0, 1003).Chunk(10), rows => rows.Sum(), sum => -sum, Cancellation)];
        Assert.Equal(101, chunks.Length);
        Assert.Equal(Enumerable.Range(0, 1003), chunks.SelectMany(chunk => chunk.Rows));
        Assert.All(chunks, chunk => Assert.Equal(-chunk.Rows.Sum(), chunk.Sum));
    }

    [Fact]
    public void A_chunk_ends_with_the_row_that_reaches_the_characters_or_at_the_most_rows()
    {
        string[] rows = ["a", "b", "c", "dddd", "eeeeee", "f", "g"];
        IEnumerable<string[]> chunks = rows.ChunkByLength(text => text, characters: 10, mostRows: 3);
        Assert.Equal(["a,b,c", "dddd,eeeeee", "f,g"], chunks.Select(chunk => string.Join(',', chunk)));
    }

    /// <summary>Each of the three steps waits for the others. If they ran one after the other, the test would never end.</summary>
    [Fact]
    public void A_chunk_is_prepared_and_another_used_while_one_is_computed()
    {
        using ManualResetEventSlim isSecondPrepared = new(), isFirstUsed = new();
        bool sawSecond = false, sawFirst = false;
        int Prepare(int[] rows)
        {
            if (rows[0] == 1) isSecondPrepared.Set();
            return rows[0];
        }

        int Compute(int row)
        {
            if (row == 0) sawSecond = isSecondPrepared.Wait(Never, Cancellation);
            if (row == 1) sawFirst = isFirstUsed.Wait(Never, Cancellation);
            return row;
        }

        foreach ((_, int row) in ChunkPipeline.Run<int, int, int>([[0], [1]], Prepare, Compute, Cancellation))
            if (row == 0) isFirstUsed.Set();
        Assert.Equal((true, true), (sawSecond, sawFirst));
    }

    [Fact]
    public void Rows_are_read_no_more_than_two_chunks_ahead()
    {
        int read = 0;
        IEnumerable<int> Endless()
        {
            while (true) yield return Interlocked.Increment(ref read);
        }

        int used = 0;
        foreach ((int[] rows, _) in ChunkPipeline.Run(Endless().Chunk(10), rows => rows, rows => rows, Cancellation))
        {
            used += rows.Length;
            Assert.InRange(Volatile.Read(ref read), used, used + 20);
            if (used == 200) break;
        }
        Assert.Equal(200, used);
    }

    [Fact]
    public void An_error_of_any_step_reaches_the_caller_after_the_chunks_before_it()
    {
        static T Failing<T>(bool fails, T value) => fails ? throw new InvalidOperationException("broken") : value;
        foreach (int step in new[] { 0, 1, 2 })
        {
            List<int> seen = [];
            void Run()
            {
                IEnumerable<int[]> chunks = Enumerable.Range(0, 9).Select(row => new[] { Failing(step == 0 && row == 3, row) });
                int Prepare(int[] rows) => Failing(step == 1 && rows[0] == 3, rows[0]);
                int Compute(int row) => Failing(step == 2 && row == 3, row);
                foreach ((_, int row) in ChunkPipeline.Run(chunks, Prepare, Compute, Cancellation))
                    seen.Add(row);
            }

            Assert.Equal("broken", Assert.Throws<InvalidOperationException>(Run).Message);
            Assert.Equal([0, 1, 2], seen);
        }
    }

    [Fact]
    public void Cancelling_ends_the_wait_for_input_but_not_a_computation()
    {
        using CancellationTokenSource source = new();
        using BlockingCollection<int> input = [1];
        bool hasEnded = false;
        int Compute(int row)
        {
            source.Cancel();
            Thread.Sleep(50);
            hasEnded = true;
            return row;
        }

        void Run()
        {
            foreach (var _ in ChunkPipeline.Run(input.GetConsumingEnumerable(Cancellation).Chunk(1), rows => rows[0], Compute, source.Token))
                Assert.True(hasEnded);
        }

        Assert.ThrowsAny<OperationCanceledException>(Run);
        Assert.True(hasEnded);
        input.CompleteAdding();
    }
}
