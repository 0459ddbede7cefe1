using System.Diagnostics;
using System.Globalization;

namespace LlmEmbed.Benchmarks;

/// <summary>
/// What jobs ask of a shared file system beside the bytes: system calls of the real tool on a job, its input and its model, as strace sees them.
/// </summary>
internal sealed class JobCalls
{
    /// <summary>The kinds that are counted, in the order of <see cref="KindOf"/>.</summary>
    private static readonly string[] Kinds =
        ["files and folders made", "renamed", "removed", "flushed", "folders listed", "files opened", "looked up", "other"];

    private readonly double[] _counts;

    private JobCalls(double[] counts) => _counts = counts;

    public double Sum => _counts.Sum();

    /// <summary>Those that change a folder.</summary>
    public double Changes => _counts[0] + _counts[1] + _counts[2];

    public static JobCalls operator +(JobCalls one, JobCalls other) => new([.. one._counts.Zip(other._counts, (a, b) => a + b)]);

    public static JobCalls operator -(JobCalls one, JobCalls other) => new([.. one._counts.Zip(other._counts, (a, b) => a - b)]);

    public static JobCalls operator *(double factor, JobCalls calls) => new([.. calls._counts.Select(count => factor * count)]);

    /// <summary>What each process, each shard and each unit costs, as the difference of jobs that have more of one of them.</summary>
    public static (JobCalls Process, JobCalls Shard, JobCalls Unit) Measure()
    {
        const int More = 10;
        JobCalls one = OfTool(shards: 1, units: 1), units = OfTool(1, 1 + More), shards = OfTool(1 + More, 1 + More);
        JobCalls unit = 1.0 / More * (units - one), shard = 1.0 / More * (shards - units);
        return (one - shard - unit, shard, unit);
    }

    /// <summary>A table with a row for each of them.</summary>
    public static int Print(string title, params (string Name, JobCalls Calls)[] rows)
    {
        static string Show(double count) => count.ToString("#,0.#", CultureInfo.InvariantCulture);
        return Bench.Table(
            title,
            ["", .. Kinds, "together"],
            rows.Select(row => (string[])[row.Name, .. row.Calls._counts.Select(Show), Show(row.Calls.Sum)]));
    }

    /// <summary>Runs a .NET program under strace.</summary>
    /// <param name="folder">Only calls that name a path in this folder count.</param>
    /// <param name="program">The program and its arguments.</param>
    /// <returns>What was counted, and what the program printed.</returns>
    public static (JobCalls Calls, string Output) Of(string folder, params string[] program)
    {
        string trace = Path.GetTempFileName();
        try
        {
            ProcessStartInfo command = new("strace", ["-f", "-y", "-qq", "-o", trace, "-e", "trace=%file,%desc", "dotnet", .. program])
            {
                RedirectStandardOutput = true,
                RedirectStandardError = true,
                UseShellExecute = false,
            };
            using Process process = Process.Start(command)!;
            Task<string> errors = process.StandardError.ReadToEndAsync();
            string output = process.StandardOutput.ReadToEnd();
            process.WaitForExit();
            if (process.ExitCode != 0) throw new InvalidOperationException($"{string.Join(' ', program)}: {errors.Result}");
            double[] counts = new double[Kinds.Length];
            foreach (string line in File.ReadLines(trace))
            {
                if (!line.Contains(folder, StringComparison.Ordinal) || line.Contains("resumed>", StringComparison.Ordinal)) continue;
                if (KindOf(line) is int kind) counts[kind]++;
            }
            return (new(counts), output);
        }
        finally
        {
            File.Delete(trace);
        }
    }

    /// <summary>The kind of the call in a line such as <c>123 openat(AT_FDCWD, "/a/b", O_RDONLY) = 3</c>; null if it does not count.</summary>
    private static int? KindOf(string line)
    {
        int bracket = line.IndexOf('(', StringComparison.Ordinal);
        if (bracket < 0) return null;
        bool Has(string flag) => line.Contains(flag, StringComparison.Ordinal);
        return line[..bracket].Split(' ')[^1] switch
        {
            "open" or "openat" => Has("O_CREAT") ? 0 : Has("O_DIRECTORY") ? 4 : 5,
            "mkdir" or "mkdirat" or "link" or "linkat" => 0,
            "rename" or "renameat" or "renameat2" => 1,
            "unlink" or "unlinkat" or "rmdir" => 2,
            "fsync" or "fdatasync" => 3,
            // What is asked of a file that is open costs nothing more.
            "stat" or "lstat" or "statx" or "newfstatat" or "access" or "faccessat" or "faccessat2" or "readlink" or "readlinkat" =>
                Has("AT_EMPTY_PATH") ? null : 6,
            "chmod" or "fchmod" or "flock" or "utimensat" => 7,
            _ => null,
        };
    }

    /// <summary>The calls of <c>llmembed job run</c> on a job of so many shards and units, in one process.</summary>
    private static JobCalls OfTool(int shards, int units)
    {
        DirectoryInfo shared = Directory.CreateTempSubdirectory("llmembed-bench-");
        try
        {
            TinyJob tiny = new(shared, shards, units);
            string tool = Path.Combine(AppContext.BaseDirectory, "llmembed.dll");
            return Of(shared.FullName, tool, "job", "run", tiny.Job.Folder, "--cache", "none").Calls;
        }
        finally
        {
            shared.Delete(recursive: true);
        }
    }
}
