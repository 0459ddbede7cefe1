using System.Buffers;
using System.IO.MemoryMappedFiles;
using LlmEmbed.Files;

namespace LlmEmbed.Reading;

/// <summary>Where features are kept while a head is trained on them.</summary>
/// <param name="Folder">Where files may be made; null keeps all features in memory.</param>
/// <param name="MemoryBytes">The size up to which features are kept in memory all the same.</param>
internal sealed record FeatureStorage(string? Folder, long MemoryBytes)
{
    /// <summary>The share of the memory that features may take.</summary>
    private const int MemoryShare = 4;

    public static FeatureStorage Of(RuntimeOptions runtime) =>
        new(runtime.CacheFolder, (runtime.MemoryBytes ?? GC.GetGCMemoryInfo().TotalAvailableMemoryBytes) / MemoryShare);

    /// <summary>A matrix of zeros.</summary>
    public FeatureMatrix Allocate(int rows, int columns)
    {
        long values = (long)rows * columns;
        if (Folder is not null && values * sizeof(float) > MemoryBytes) return new MappedFeatures(this, Folder, rows, columns);
        if (values <= Array.MaxLength) return new ArrayFeatures(new float[values], rows, columns);
        throw new LlmEmbedException(
            $"The {columns:N0} features of {rows:N0} texts take {values * sizeof(float) / 1e9:0.0} GB, more than fits into one array. " +
            "Use a cache folder (--cache DIR): features are then read from a file there.");
    }
}

/// <summary>
/// Features in a file of their own that is mapped into memory, so that the operating system keeps in memory what there is room for. The file loses
/// its name as soon as it is open (on Windows when the process ends), since no other run has any use for it: another run finds the embeddings in the
/// store.
/// </summary>
internal sealed unsafe class MappedFeatures : FeatureMatrix
{
    private readonly FeatureStorage _storage;
    private readonly MemoryMappedFile _map;
    private readonly MemoryMappedViewAccessor _view;
    private byte* _start;

    public MappedFeatures(FeatureStorage storage, string folder, int rows, int columns)
        : base(rows, columns)
    {
        _storage = storage;
        long bytes = Math.Max(1, (long)rows * columns * sizeof(float));
        string path = Path.Combine(folder, $"features-{Guid.NewGuid():N}{AtomicFile.TemporarySuffix}");
        try
        {
            Directory.CreateDirectory(folder);
            // The space is taken at once: a full disk would otherwise end the process at the write of a page.
            FileStream file = new(path, new FileStreamOptions
            {
                Mode = FileMode.CreateNew,
                Access = FileAccess.ReadWrite,
                Share = FileShare.Delete,
                Options = FileOptions.DeleteOnClose,
                PreallocationSize = bytes,
                BufferSize = 0,
            });
            file.SetLength(bytes);
            _map = MemoryMappedFile.CreateFromFile(file, null, bytes, MemoryMappedFileAccess.ReadWrite, HandleInheritability.None, leaveOpen: false);
            if (!OperatingSystem.IsWindows()) File.Delete(path); // so that a process that is killed leaves no file behind
        }
        catch (Exception exception) when (exception is IOException or UnauthorizedAccessException)
        {
            throw new LlmEmbedException(
                $"{folder}: no file of {bytes / 1e9:0.0} GB for the features of {rows:N0} texts can be made: {FileProblem.Describe(exception)} " +
                "Name a folder with room by --cache, or train on fewer texts.",
                exception)
            { FilePath = folder };
        }
        _view = _map.CreateViewAccessor();
        _view.SafeMemoryMappedViewHandle.AcquirePointer(ref _start);
    }

    public override Memory<float> Block(int first, int count)
    {
        ObjectDisposedException.ThrowIf(_start == null, this);
        ArgumentOutOfRangeException.ThrowIfNegative(first);
        ArgumentOutOfRangeException.ThrowIfGreaterThan(count, Rows - first);
        return new MappedBlock(this, (float*)_start + (long)first * Columns, checked(count * Columns)).Memory;
    }

    public override void Dispose()
    {
        if (_start == null) return;
        _start = null;
        _view.SafeMemoryMappedViewHandle.ReleasePointer();
        _view.Dispose();
        _map.Dispose();
    }

    public override FeatureMatrix Allocate(int rows, int columns) => _storage.Allocate(rows, columns);

    /// <summary>
    /// Some rows of the file as memory. It holds on to the matrix, so that the file stays mapped for as long as the memory is used.
    /// </summary>
    private sealed class MappedBlock(MappedFeatures owner, float* start, int length) : MemoryManager<float>
    {
        public override Span<float> GetSpan()
        {
            ObjectDisposedException.ThrowIf(owner._start == null, owner);
            return new(start, length);
        }

        public override MemoryHandle Pin(int elementIndex = 0) => new(start + elementIndex);

        public override void Unpin()
        {
        }

        protected override void Dispose(bool disposing)
        {
        }
    }
}
