using System.IO.MemoryMappedFiles;
using System.Runtime.InteropServices;

namespace LlmEmbed.Files;

/// <summary>A file mapped into memory for reading. Its readers check offsets first, so a span outside of the file is a programming error.</summary>
internal sealed unsafe partial class MappedFile : IDisposable
{
    private readonly MemoryMappedFile? _map;
    private readonly MemoryMappedViewAccessor? _view;
    private byte* _start;

    private MappedFile(string path)
    {
        using FileStream stream = new(path, FileMode.Open, FileAccess.Read, FileShare.Read | FileShare.Delete, bufferSize: 0);
        Path = path;
        Length = stream.Length;
        if (Length == 0) return; // an empty file cannot be mapped; its reader says what it expected
        _map = MemoryMappedFile.CreateFromFile(stream, null, 0, MemoryMappedFileAccess.Read, HandleInheritability.None, leaveOpen: true);
        _view = _map.CreateViewAccessor(0, 0, MemoryMappedFileAccess.Read);
        _view.SafeMemoryMappedViewHandle.AcquirePointer(ref _start);
    }

    public string Path { get; }

    public long Length { get; }

    private static MappedFile Open(string path)
    {
        if (!BitConverter.IsLittleEndian)
            throw new PlatformNotSupportedException("Checkpoints are little endian and are mapped as they are; this machine is big endian.");
        return FileProblem.WhenReading(path, file => new MappedFile(file));
    }

    /// <summary>Opens a file and reads its header. If that fails, the file is closed again.</summary>
    /// <exception cref="LlmEmbedException">The file cannot be opened or mapped, or a Git LFS pointer lies in its place.</exception>
    public static T Open<T>(string path, Func<MappedFile, T> read)
    {
        MappedFile file = Open(path);
        try
        {
            GitLfsPointer.Refuse(path, file.Span(0, (int)Math.Min(file.Length, GitLfsPointer.MaxBytes)));
            return read(file);
        }
        catch
        {
            file.Dispose();
            throw;
        }
    }

    public ReadOnlySpan<byte> Span(long offset, int length)
    {
        ArgumentOutOfRangeException.ThrowIfNegative(length);
        return new ReadOnlySpan<byte>((byte*)Address(offset, length), length);
    }

    /// <summary>The address of bytes that lie in the file, valid until the file is disposed.</summary>
    public nint Address(long offset, long length)
    {
        ArgumentOutOfRangeException.ThrowIfNegative(offset);
        ArgumentOutOfRangeException.ThrowIfGreaterThan(length, Length - offset);
        ObjectDisposedException.ThrowIf(_start == null && Length > 0, this);
        return (nint)(_start + offset);
    }

    /// <summary>
    /// Tells the operating system that these bytes are not needed for now, so that they stop counting as this process's memory. A file larger than
    /// the memory can so be read through once without filling it. Bytes that are read again are mapped again.
    /// </summary>
    public void Release(long offset, long length)
    {
        if (!OperatingSystem.IsLinux()) return;
        long page = Environment.SystemPageSize, start = Address(offset, length);
        long first = (start + page - 1) / page * page, end = (start + length) / page * page;
        if (end > first) _ = Advise((nint)first, (nuint)(end - first), DontNeed); // if the advice is refused, the bytes stay in memory
    }

    private const int DontNeed = 4;

    [LibraryImport("libc", EntryPoint = "madvise")]
    private static partial int Advise(nint address, nuint length, int advice);

    public void Dispose()
    {
        if (_start != null) _view!.SafeMemoryMappedViewHandle.ReleasePointer();
        _start = null;
        _view?.Dispose();
        _map?.Dispose();
    }
}
