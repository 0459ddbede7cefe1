namespace LlmEmbed.Jobs;

/// <summary>An array of a scheduler's tasks, which together work on some shards.</summary>
/// <param name="Indexes">The numbers of its tasks, such as <c>3,7-9</c>.</param>
/// <param name="Offset">What is added to a task's number, since an array cannot have numbers as large as a job may have shards.</param>
public sealed record TaskArray(string Indexes, int Offset)
{
    /// <summary>Slurm's own MaxArraySize; the largest number of a task is one below it.</summary>
    public const int UsualMaxSize = 1001;

    /// <summary>The options of sbatch for this array.</summary>
    public string SbatchOptions => $"--array={Indexes}" + (Offset > 0 ? $" --export=ALL,LLMEMBED_OFFSET={Offset}" : "");

    /// <summary>The arrays for some shards.</summary>
    /// <param name="shards">The shards.</param>
    /// <param name="perTask">Shards of a task: task t works on the shards from t × perTask on.</param>
    /// <param name="maxArraySize">Slurm's MaxArraySize.</param>
    public static IReadOnlyList<TaskArray> Of(IEnumerable<int> shards, int perTask = 1, int maxArraySize = UsualMaxSize)
    {
        ArgumentNullException.ThrowIfNull(shards);
        ArgumentOutOfRangeException.ThrowIfLessThan(perTask, 1);
        ArgumentOutOfRangeException.ThrowIfLessThan(maxArraySize, 2);
        return
        [
            .. shards.Select(shard => shard / perTask).Distinct().GroupBy(task => task / (maxArraySize - 1)).OrderBy(group => group.Key).Select(
                group => new TaskArray(
                    ShardRanges.Format(group.Select(task => task % (maxArraySize - 1))), group.Key * (maxArraySize - 1))),
        ];
    }
}
