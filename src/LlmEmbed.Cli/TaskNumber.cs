using System.Globalization;

namespace LlmEmbed.Cli;

/// <summary>The number that a scheduler gives to each of its tasks. A new scheduler is one row here.</summary>
internal static class TaskNumber
{
    /// <summary>The variables in the order in which they are looked for, and the number of the first task.</summary>
    private static readonly (string Variable, int First)[] Known =
    [
        ("LLMEMBED_SHARD", 0),
        ("SLURM_ARRAY_TASK_ID", 0),
        ("JOB_COMPLETION_INDEX", 0),
        ("SKYPILOT_JOB_RANK", 0),
        ("OMPI_COMM_WORLD_RANK", 0),
        ("SGE_TASK_ID", 1),
    ];

    /// <summary>The variables, as help lists them.</summary>
    public static string Names => string.Join(", ", Known.Select(known => known.Variable));

    /// <summary>The shards of the task that this process is; null if no scheduler gives a number.</summary>
    /// <param name="read">Reads a variable of the environment.</param>
    /// <param name="offset">Added to the task's number; null takes what the environment says.</param>
    /// <param name="perTask">Shards of a task; null takes what the environment says.</param>
    /// <param name="count">The shards of the plan. How many there are never comes from the environment.</param>
    /// <exception cref="WrongUsageException">A number is none, or all shards of the task are outside of the plan.</exception>
    public static IReadOnlyList<int>? ShardsOf(Func<string, string?> read, int? offset, int? perTask, int count)
    {
        foreach ((string variable, int first) in Known)
        {
            // Grid Engine sets its variable to "undefined" where there is no array.
            if (read(variable) is not { Length: > 0 } value || value == "undefined") continue;
            long task = Number(variable, value) - first + (offset ?? Number("LLMEMBED_OFFSET", read("LLMEMBED_OFFSET"), fallback: 0));
            long shards = perTask ?? Number("LLMEMBED_SHARDS_PER_TASK", read("LLMEMBED_SHARDS_PER_TASK"), fallback: 1);
            long begin = task * shards;
            if (begin < 0 || begin >= count)
                throw new WrongUsageException(
                    $"{variable} is {value}, which stands for shard {begin}, and the plan has the shards 0 to {count - 1}. Start tasks 0 to " +
                    $"{(count - 1) / shards}.");
            return [.. Enumerable.Range((int)begin, (int)Math.Min(shards, count - begin))];
        }
        return null;
    }

    private static long Number(string variable, string? value, long? fallback = null)
    {
        if (string.IsNullOrEmpty(value) && fallback is long number) return number;
        return int.TryParse(value, NumberStyles.None, CultureInfo.InvariantCulture, out int parsed)
            ? parsed
            : throw new WrongUsageException($"the environment variable {variable} is '{value}', expected a whole number from 0 on.");
    }
}
