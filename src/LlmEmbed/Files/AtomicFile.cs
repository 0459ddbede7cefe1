using System.Text;

namespace LlmEmbed.Files;

/// <summary>
/// A file that appears whole or not at all. Its bytes go to a temporary file in the same folder (a rename is only atomic within one file system), are
/// flushed to disk and then renamed: a reader never sees half a file, whatever kills the writer, and a full disk leaves nothing behind.
/// </summary>
internal sealed class AtomicFile : IDisposable
{
    /// <summary>How names of temporary files end, for whoever removes those of a process that was killed.</summary>
    public const string TemporarySuffix = ".tmp";

    private readonly string _path;
    private readonly string _temporaryPath;
    private readonly FileStream _stream;

    /// <param name="path">The file to write; one that exists is replaced by <see cref="Commit"/>.</param>
    public AtomicFile(string path)
    {
        _path = path;
        _temporaryPath = $"{path}.{Guid.NewGuid():N}{TemporarySuffix}";
        try
        {
            // Without a buffer of its own, a stream that failed on a full disk can be closed without failing again.
            _stream = new FileStream(_temporaryPath, FileMode.CreateNew, FileAccess.Write, FileShare.None, bufferSize: 0);
        }
        catch (Exception exception) when (exception is IOException or UnauthorizedAccessException)
        {
            throw CannotWrite(exception);
        }
    }

    /// <summary>Finds out before long work whether what comes of it can be written.</summary>
    /// <exception cref="LlmEmbedException">It cannot.</exception>
    public static void RequireWritable(string path)
    {
        if (Directory.Exists(path)) throw new LlmEmbedException($"{path} is a folder, expected the name of a file to write.") { FilePath = path };
        using AtomicFile file = new(path);
    }

    public static void WriteText(string path, string text)
    {
        using AtomicFile file = new(path);
        file.Write(Encoding.UTF8.GetBytes(text));
        file.Commit();
    }

    public void Write(ReadOnlySpan<byte> bytes)
    {
        try
        {
            _stream.Write(bytes);
        }
        catch (IOException exception)
        {
            throw CannotWrite(exception);
        }
    }

    /// <summary>Where the next write goes; what is skipped becomes zeros.</summary>
    public void Seek(long position) => _stream.Position = position;

    /// <summary>Flushes to disk and gives the file its name.</summary>
    public void Commit()
    {
        try
        {
            _stream.Flush(flushToDisk: true);
            _stream.Dispose();
            File.Move(_temporaryPath, _path, overwrite: true);
        }
        catch (Exception exception) when (exception is IOException or UnauthorizedAccessException)
        {
            throw CannotWrite(exception);
        }
    }

    /// <summary>Removes what was not committed.</summary>
    public void Dispose()
    {
        _stream.Dispose();
        if (File.Exists(_temporaryPath)) File.Delete(_temporaryPath);
    }

    private LlmEmbedException CannotWrite(Exception exception) =>
        new($"{_path}: the file cannot be written: {FileProblem.Describe(exception)} Nothing of it was kept.", exception) { FilePath = _path };
}
