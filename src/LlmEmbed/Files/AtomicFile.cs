using System.Runtime.InteropServices;
using System.Text;

namespace LlmEmbed.Files;

/// <summary>
/// A file that appears whole or not at all. Its bytes go to a temporary file in the same folder (a rename is only atomic within one file system), are
/// flushed to disk, and then the file is renamed. A reader never sees half a file, whatever ends the writer, and a full disk leaves nothing behind.
/// A symbolic link stays a link: the file to which it leads is replaced, and keeps its permissions. What is no regular file (a pipe or a device) is
/// written directly, since there is nothing to keep whole.
/// </summary>
public sealed partial class AtomicFile : IDisposable
{
    /// <summary>How the names of temporary files end, for code that removes the files of a process that was killed.</summary>
    public const string TemporarySuffix = ".tmp";

    private readonly string _path;
    private readonly string _target;
    private readonly string? _temporaryPath;
    private readonly FileStream _stream;

    /// <param name="path">The file to write. A file that exists is replaced by <see cref="Commit"/>.</param>
    /// <exception cref="LlmEmbedException">The temporary file cannot be made.</exception>
    public AtomicFile(string path)
    {
        _path = path;
        if (Directory.Exists(path)) throw FileProblem.In(path, "this is a folder, expected the name of a file to write.");
        try
        {
            _target = FileIdentity.Follow(path);
            if (IsWrittenDirectly(path))
            {
                _stream = new FileStream(path, FileMode.Open, FileAccess.Write, FileShare.ReadWrite, bufferSize: 0);
                return;
            }
            if (new FileInfo(_target) is { LinkTarget: not null }) throw new IOException("its links lead in a circle.");
            if (File.Exists(_target) && new FileInfo(_target).IsReadOnly) throw new UnauthorizedAccessException();
            _temporaryPath = $"{_target}.{Guid.NewGuid():N}{TemporarySuffix}";
            // Without a buffer of its own, a stream that failed on a full disk can be closed without a second failure.
            _stream = new FileStream(_temporaryPath, FileMode.CreateNew, FileAccess.Write, FileShare.None, bufferSize: 0);
            KeepPermissions();
        }
        catch (Exception exception) when (exception is IOException or UnauthorizedAccessException)
        {
            Dispose();
            throw CannotWrite(exception);
        }
    }

    /// <summary>The bytes as a stream that can be disposed without an effect on the file.</summary>
    internal Stream Content => new ContentStream(this);

    /// <summary>Checks before long work that its result can be written.</summary>
    /// <param name="path">The file that will be written.</param>
    /// <exception cref="LlmEmbedException">The file cannot be written.</exception>
    public static void RequireWritable(string path)
    {
        if (IsWrittenDirectly(path)) return; // opening a pipe would wait for its reader
        using AtomicFile file = new(path);
    }

    /// <summary>Checks before long work that files can be written in a folder. Nothing of the check stays.</summary>
    /// <param name="folder">The folder, which need not exist.</param>
    /// <exception cref="LlmEmbedException">The folder cannot be made, or no file in it.</exception>
    public static void RequireWritableFolder(string folder)
    {
        string existing = Path.GetFullPath(folder);
        while (!Path.Exists(existing) && Path.GetDirectoryName(existing) is string above) existing = above;
        try
        {
            string trial = Path.Combine(existing, $"{Guid.NewGuid():N}{TemporarySuffix}");
            using FileStream file = new(trial, FileMode.CreateNew, FileAccess.Write, FileShare.None, bufferSize: 0, FileOptions.DeleteOnClose);
        }
        catch (Exception exception) when (exception is IOException or UnauthorizedAccessException)
        {
            string reason = exception is FileNotFoundException ? "it cannot be made." : FileProblem.Describe(exception);
            throw FileProblem.In(folder, $"no file can be written in this folder: {reason}", exception);
        }
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

    /// <summary>Writes a whole file at once, unless there is one: of several processes at the same time one writes it.</summary>
    /// <returns>Whether it was written.</returns>
    /// <exception cref="LlmEmbedException">The file cannot be written.</exception>
    internal static bool WriteTextIfAbsent(string path, string text)
    {
        if (File.Exists(path)) return false;
        using AtomicFile file = new(path);
        file.Write(Encoding.UTF8.GetBytes(text));
        return file.CommitIfAbsent();
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
    /// <exception cref="LlmEmbedException">This is a pipe, which has no positions.</exception>
    public void Seek(long position)
    {
        if (!_stream.CanSeek) throw FileProblem.In(_path, "this is no regular file, expected one: what is written there is not written in order.");
        _stream.Position = position;
    }

    /// <summary>Flushes to disk and gives the file its name.</summary>
    /// <exception cref="LlmEmbedException">The file cannot be written.</exception>
    public void Commit()
    {
        try
        {
            if (_temporaryPath is not null) _stream.Flush(flushToDisk: true);
            _stream.Dispose();
            if (_temporaryPath is not null) File.Move(_temporaryPath, _target, overwrite: true);
        }
        catch (Exception exception) when (exception is IOException or UnauthorizedAccessException)
        {
            throw CannotWrite(exception);
        }
    }

    /// <summary>As <see cref="Commit"/>, but a file that has the name keeps it.</summary>
    /// <returns>Whether the name was free.</returns>
    private bool CommitIfAbsent()
    {
        try
        {
            _stream.Flush(flushToDisk: true);
            _stream.Dispose();
            // Where File.Move would look first and rename then, two processes could both succeed: a link is made by one of them.
            if (OperatingSystem.IsWindows()) File.Move(_temporaryPath!, _target, overwrite: false);
            else if (Link(_temporaryPath!, _target) != 0) throw new IOException(Marshal.GetLastPInvokeErrorMessage(), Marshal.GetLastPInvokeError());
            return true;
        }
        catch (IOException) when (File.Exists(_target))
        {
            return false;
        }
        catch (Exception exception) when (exception is IOException or UnauthorizedAccessException)
        {
            throw CannotWrite(exception);
        }
    }

    [LibraryImport("libc", EntryPoint = "link", SetLastError = true, StringMarshalling = StringMarshalling.Utf8)]
    private static partial int Link(string existing, string name);

    /// <summary>Removes the temporary file, if it was not committed.</summary>
    public void Dispose()
    {
        _stream?.Dispose(); // null if the constructor failed
        if (File.Exists(_temporaryPath)) File.Delete(_temporaryPath);
    }

    private static bool IsWrittenDirectly(string path) => FileIdentity.OfPath(path) is { IsRegularFile: false, IsFolder: false };

    private void KeepPermissions()
    {
        if (!OperatingSystem.IsWindows() && File.Exists(_target)) File.SetUnixFileMode(_stream.SafeFileHandle, File.GetUnixFileMode(_target));
    }

    private LlmEmbedException CannotWrite(Exception exception) =>
        FileProblem.In(
            _path,
            $"the file cannot be written: {FileProblem.Describe(exception)}{(_temporaryPath is null ? "" : " Nothing of it was kept.")}",
            exception);

    /// <summary>Hands bytes to the file. Disposing it leaves the file open, to be committed or not.</summary>
    private sealed class ContentStream(AtomicFile file) : Stream
    {
        public override bool CanRead => false;

        public override bool CanSeek => false;

        public override bool CanWrite => true;

        public override long Length => throw new NotSupportedException();

        public override long Position
        {
            get => throw new NotSupportedException();
            set => throw new NotSupportedException();
        }

        public override void Write(ReadOnlySpan<byte> buffer) => file.Write(buffer);

        public override void Write(byte[] buffer, int offset, int count) => file.Write(buffer.AsSpan(offset, count));

        public override void Flush()
        {
        }

        public override int Read(byte[] buffer, int offset, int count) => throw new NotSupportedException();

        public override long Seek(long offset, SeekOrigin origin) => throw new NotSupportedException();

        public override void SetLength(long value) => throw new NotSupportedException();
    }
}
