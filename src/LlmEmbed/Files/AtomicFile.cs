using System.Text;

namespace LlmEmbed.Files;

/// <summary>
/// A file that appears whole or not at all. Its bytes go to a temporary file in the same folder (a rename is only atomic within one file system), are
/// flushed to disk, and then the file is renamed. A reader never sees half a file, whatever ends the writer, and a full disk leaves nothing behind.
/// </summary>
public sealed class AtomicFile : IDisposable
{
    /// <summary>How the names of temporary files end, for code that removes the files of a process that was killed.</summary>
    public const string TemporarySuffix = ".tmp";

    private readonly string _path;
    private readonly string _temporaryPath;
    private readonly FileStream _stream;

    /// <param name="path">The file to write. A file that exists is replaced by <see cref="Commit"/>.</param>
    /// <exception cref="LlmEmbedException">The temporary file cannot be made.</exception>
    public AtomicFile(string path)
    {
        _path = path;
        _temporaryPath = $"{path}.{Guid.NewGuid():N}{TemporarySuffix}";
        try
        {
            // Without a buffer of its own, a stream that failed on a full disk can be closed without a second failure.
            _stream = new FileStream(_temporaryPath, FileMode.CreateNew, FileAccess.Write, FileShare.None, bufferSize: 0);
        }
        catch (Exception exception) when (exception is IOException or UnauthorizedAccessException)
        {
            throw CannotWrite(exception);
        }
    }

    /// <summary>Checks before long work that its result can be written.</summary>
    /// <param name="path">The file that will be written.</param>
    /// <exception cref="LlmEmbedException">The file cannot be written.</exception>
    public static void RequireWritable(string path)
    {
        if (Directory.Exists(path)) throw FileProblem.In(path, "this is a folder, expected the name of a file to write.");
        using AtomicFile file = new(path);
    }

    /// <summary>Writes a whole file at once.</summary>
    /// <param name="path">The file, which is replaced if it exists.</param>
    /// <param name="text">Its content, written as UTF-8 without a byte-order mark.</param>
    /// <exception cref="LlmEmbedException">The file cannot be written.</exception>
    public static void WriteText(string path, string text)
    {
        using AtomicFile file = new(path);
        file.Write(Encoding.UTF8.GetBytes(text));
        file.Commit();
    }

    /// <summary>Writes bytes behind those that were written before.</summary>
    /// <param name="bytes">The bytes.</param>
    /// <exception cref="LlmEmbedException">The file cannot be written.</exception>
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

    /// <summary>Sets the byte at which the next write begins. Bytes that are skipped become zeros.</summary>
    /// <param name="position">Bytes from the beginning of the file.</param>
    public void Seek(long position) => _stream.Position = position;

    /// <summary>Flushes to disk and gives the file its name.</summary>
    /// <exception cref="LlmEmbedException">The file cannot be written.</exception>
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

    /// <summary>Removes the temporary file, if it was not committed.</summary>
    public void Dispose()
    {
        _stream.Dispose();
        if (File.Exists(_temporaryPath)) File.Delete(_temporaryPath);
    }

    private LlmEmbedException CannotWrite(Exception exception) =>
        FileProblem.In(_path, $"the file cannot be written: {FileProblem.Describe(exception)} Nothing of it was kept.", exception);
}
