using System.Diagnostics;

namespace LlmEmbed.Hub;

/// <summary>
/// The lock of one content, which Python programs take too, so that none is fetched twice at the same time. It only saves work: some file systems of
/// networks grant every lock, so no file is right or wrong because of it.
/// </summary>
internal sealed class HubLock : IDisposable
{
    private static readonly TimeSpan Pause = TimeSpan.FromMilliseconds(200);

    private readonly FileStream? _file;

    private HubLock(FileStream? file, bool isAlone) => (_file, IsAlone) = (file, isAlone);

    /// <summary>Whether no other process of this machine fetches the content, as far as the file system knows: it refuses a second lock.</summary>
    public bool IsAlone { get; }

    /// <summary>Takes the lock, or waits while another process holds it and its bytes grow. Where there are no locks, none is held.</summary>
    /// <param name="path">The file of the lock. It stays, as Python leaves it.</param>
    /// <param name="bytes">The bytes that other processes have fetched of the content.</param>
    /// <param name="cancellationToken">Stops waiting.</param>
    public static async Task<HubLock> TakeAsync(string path, Func<long> bytes, CancellationToken cancellationToken)
    {
        long most = -1, since = 0;
        while (true)
        {
            (FileStream? file, bool isHeld) = TryOpen(path);
            if (!isHeld) return new HubLock(file, isAlone: file is not null && IsHeld(path));
            long now = bytes();
            if (now > most) (most, since) = (now, Stopwatch.GetTimestamp());
            else if (Stopwatch.GetElapsedTime(since) > HubBlobs.GivenUp) return new HubLock(null, isAlone: false);
            await Task.Delay(Pause, cancellationToken);
        }
    }

    public void Dispose() => _file?.Dispose();

    private static bool IsHeld(string path)
    {
        (FileStream? file, bool isHeld) = TryOpen(path);
        file?.Dispose();
        return isHeld;
    }

    private static (FileStream? File, bool IsHeld) TryOpen(string path)
    {
        const int WouldBlockOnLinux = 11, WouldBlockOnMac = 35, SharedOnWindows = unchecked((int)0x80070020);
        try
        {
            Directory.CreateDirectory(Path.GetDirectoryName(path)!);
            return (new FileStream(path, FileMode.OpenOrCreate, FileAccess.ReadWrite, FileShare.None, bufferSize: 0), false);
        }
        catch (IOException exception)
        {
            return (null, exception.HResult is WouldBlockOnLinux or WouldBlockOnMac or SharedOnWindows);
        }
        catch (UnauthorizedAccessException)
        {
            return (null, false);
        }
    }
}
