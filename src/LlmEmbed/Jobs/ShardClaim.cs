using System.Diagnostics;
using System.Text.Json;
using LlmEmbed.Files;

namespace LlmEmbed.Jobs;

/// <summary>
/// Says to others that a process computes a shard, so that they take another one. What is right does not rest on it: two processes at one shard write
/// the same bytes. It is renewed while the process lives, and one that was not renewed for five minutes counts as lost.
/// </summary>
internal sealed class ShardClaim : IDisposable
{
    private static readonly TimeSpan Renewal = TimeSpan.FromSeconds(30), Lifetime = TimeSpan.FromMinutes(5);

    private readonly string _path;
    private readonly Timer _timer;
    private readonly Lock _lock = new();
    private bool _isDisposed;

    private ShardClaim(string path, Claim claim)
    {
        (_path, Attempt) = (path, claim.Attempt);
        _timer = new Timer(_ => Renew(claim), state: null, Renewal, Renewal);
    }

    /// <summary>How often the shard was begun, this time included.</summary>
    public int Attempt { get; }

    /// <summary>Takes a shard.</summary>
    /// <param name="folder">The folder of the job.</param>
    /// <param name="shard">The shard.</param>
    /// <param name="evenIfClaimed">Whether a claim of another process is put aside, since a scheduler said who computes the shard.</param>
    /// <returns>Null if another process has it.</returns>
    public static ShardClaim? Take(JobFolder folder, int shard, bool evenIfClaimed)
    {
        string path = folder.Running(shard);
        Claim? earlier = Read(path);
        if (earlier is not null && !evenIfClaimed && IsAlive(path, earlier)) return null;
        int attempts = Math.Max(earlier?.Attempt ?? 0, LastFailure(folder, shard)?.Attempt ?? 0);
        Claim claim = new(Environment.MachineName, Environment.ProcessId, attempts + 1);
        if (earlier is not null || evenIfClaimed) Write(path, claim);
        else if (!CreateIfAbsent(path, claim)) return null;
        return new ShardClaim(path, claim);
    }

    /// <summary>Whether a process that lives computes the shard.</summary>
    public static bool IsClaimed(JobFolder folder, int shard) => folder.Running(shard) is var path && Read(path) is { } claim && IsAlive(path, claim);

    /// <summary>Why the last attempt at a shard failed; null if none did.</summary>
    public static ShardFailure? LastFailure(JobFolder folder, int shard)
    {
        try
        {
            return File.Exists(folder.Failed(shard)) ? JobFile.Read<ShardFailure>(folder.Failed(shard), "Remove it.") : null;
        }
        catch (LlmEmbedException)
        {
            return null; // it tells people what went wrong, and nothing depends on it
        }
    }

    public void Dispose()
    {
        lock (_lock)
        {
            _isDisposed = true;
            _timer.Dispose();
            TryDelete(_path);
        }
    }

    public static void TryDelete(string path)
    {
        try
        {
            File.Delete(path);
        }
        catch (Exception exception) when (exception is IOException or UnauthorizedAccessException)
        {
            // What is left is old after five minutes.
        }
    }

    private static Claim? Read(string path)
    {
        try
        {
            return File.Exists(path) ? JsonSerializer.Deserialize(File.ReadAllBytes(path), JobPlan.Json.Of<Claim>()) : null;
        }
        catch (Exception exception) when (exception is IOException or UnauthorizedAccessException or JsonException)
        {
            return File.Exists(path) ? new Claim("", 0, 0) : null; // it is just being written, or was written half: its age decides
        }
    }

    private static bool CreateIfAbsent(string path, Claim claim)
    {
        try
        {
            using FileStream file = new(path, FileMode.CreateNew, FileAccess.Write, FileShare.Read, bufferSize: 0);
            file.Write(JsonSerializer.SerializeToUtf8Bytes(claim, JobPlan.Json.Of<Claim>()));
            return true;
        }
        catch (IOException) when (File.Exists(path))
        {
            return false;
        }
    }

    private static bool IsAlive(string path, Claim claim)
    {
        if (claim.Host == Environment.MachineName && claim.Process != 0 && !IsRunning(claim.Process)) return false;
        return TimeOf(path) is DateTime renewed && renewed > Now(path) - Lifetime;
    }

    private static bool IsRunning(int process)
    {
        try
        {
            using Process found = Process.GetProcessById(process);
            return !found.HasExited;
        }
        catch (ArgumentException)
        {
            return false;
        }
    }

    private static DateTime? TimeOf(string path) => File.Exists(path) ? File.GetLastWriteTimeUtc(path) : null;

    /// <summary>The time by the clock of the file system, since the clocks of two machines may differ.</summary>
    private static DateTime Now(string path)
    {
        string trial = $"{path}.{Guid.NewGuid():N}{AtomicFile.TemporarySuffix}";
        try
        {
            using FileStream file = new(trial, FileMode.CreateNew, FileAccess.Write, FileShare.None, bufferSize: 0, FileOptions.DeleteOnClose);
            file.WriteByte(0);
            file.Flush(flushToDisk: false);
            return File.GetLastWriteTimeUtc(trial);
        }
        catch (Exception exception) when (exception is IOException or UnauthorizedAccessException)
        {
            return DateTime.UtcNow; // whoever only looks at the folder may not write in it
        }
    }

    private static void Write(string path, Claim claim) => AtomicFile.WriteText(path, JsonSerializer.Serialize(claim, JobPlan.Json.Of<Claim>()));

    private void Renew(Claim claim)
    {
        lock (_lock)
        {
            if (_isDisposed) return;
            try
            {
                Write(_path, claim);
            }
            catch (LlmEmbedException)
            {
                // The work itself will meet the same problem and say it.
            }
        }
    }

    /// <param name="Host">The machine.</param>
    /// <param name="Process">The number of the process there.</param>
    /// <param name="Attempt">How often the shard was begun.</param>
    internal sealed record Claim(string Host, int Process, int Attempt);
}
