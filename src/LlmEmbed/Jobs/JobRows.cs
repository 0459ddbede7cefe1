using LlmEmbed.Data;
using LlmEmbed.Files;

namespace LlmEmbed.Jobs;

/// <summary>The rows of a job's input, file after file.</summary>
internal static class JobRows
{
    /// <summary>The units of a shard, cut as they were when the job was planned.</summary>
    public static IEnumerable<JobUnit> UnitsOf(JobFolder folder, JobPlan plan, int shard)
    {
        JobShard range = plan.Shards[shard];
        IEnumerable<JobRow> rows = From(folder, plan, range).Take(checked((int)range.Rows));
        return JobUnit.Cut(rows, range.Unit, range.Row, plan.UnitSize);
    }

    /// <summary>Refuses input that cannot be what the plan was made of, before anything is computed.</summary>
    /// <exception cref="LlmEmbedException">A file is missing, or changed.</exception>
    public static void Check(JobFolder folder, JobPlan plan, int shard)
    {
        JobShard range = plan.Shards[shard];
        bool isTouched = false;
        foreach (JobInput input in InputsOf(plan, range))
        {
            string path = folder.Resolve(input.Path);
            FileInfo file = new(path);
            if (!file.Exists) throw FileProblem.Missing(path);
            if (file.Length != input.Bytes)
                throw Changed(folder, shard, $"{path} has {file.Length:N0} bytes, and had {input.Bytes:N0} when the job was planned");
            isTouched |= file.LastWriteTimeUtc != input.Modified;
        }
        if (isTouched) CheckContent(folder, plan, shard);
    }

    /// <summary>Refuses rows that are not those of which the plan was made.</summary>
    /// <param name="folder">The folder of the job.</param>
    /// <param name="plan">The plan.</param>
    /// <param name="shard">The shard.</param>
    /// <param name="hash">The sum of the hashes of its units.</param>
    public static void CheckHash(JobFolder folder, JobPlan plan, int shard, UInt128 hash)
    {
        if (Show(hash) == plan.Shards[shard].Xxh128) return;
        string files = FileProblem.List([.. InputsOf(plan, plan.Shards[shard]).Select(input => folder.Resolve(input.Path))]);
        throw Changed(folder, shard, $"the rows of shard {shard} in {files} are others than when the job was planned");
    }

    public static string Show(UInt128 hash) => hash.ToString("x32", System.Globalization.CultureInfo.InvariantCulture);

    private static void CheckContent(JobFolder folder, JobPlan plan, int shard)
    {
        UInt128 hash = 0;
        try
        {
            foreach (JobUnit unit in UnitsOf(folder, plan, shard)) hash = unchecked(hash + unit.Hash());
        }
        catch (LlmEmbedException exception) when (exception.InnerException is not IOException)
        {
            throw Changed(folder, shard, exception.Message.TrimEnd('.'));
        }
        CheckHash(folder, plan, shard, hash);
    }

    private static LlmEmbedException Changed(JobFolder folder, int shard, string what) =>
        new($"{what}. Restore the file and run shard {shard} again, or plan the job anew in another folder than {folder.Path}.")
        {
            Kind = ProblemKind.Mismatch,
        };

    private static IEnumerable<JobInput> InputsOf(JobPlan plan, JobShard range)
    {
        long rows = range.FileRow + range.Rows;
        for (int file = range.File; rows > 0; file++)
        {
            yield return plan.Inputs[file];
            rows -= plan.Inputs[file].Rows;
        }
    }

    private static IEnumerable<JobRow> From(JobFolder folder, JobPlan plan, JobShard range)
    {
        TablePosition position = new(range.FileRow, range.Line, range.Offset);
        for (int file = range.File; file < plan.Inputs.Count; file++)
        {
            if (plan.Inputs[file].Rows > 0)
                foreach (JobRow row in plan.Tables.Rows(folder.Resolve(plan.Inputs[file].Path), file, position)) yield return row;
            position = default;
        }
    }
}
