using System.IO.Compression;
using LlmEmbed.Files;
using ZstdSharp;

namespace LlmEmbed.Data;

/// <summary>
/// Recognizes by its first bytes what a file is, whatever it is called: text in gzip or Zstandard is unpacked, and a file that is no text is refused
/// as what it is. A new kind is one row of a table.
/// </summary>
internal static class Compression
{
    /// <summary>The compressed forms that are read, by the bytes with which they begin.</summary>
    private static readonly (string Name, byte[] Magic, string[] Extensions, Func<Stream, Stream> Unpack)[] Read =
    [
        ("gzip", [0x1F, 0x8B], [".gz", ".gzip"], input => new GZipStream(input, CompressionMode.Decompress)),
        ("zstd", [0x28, 0xB5, 0x2F, 0xFD], [".zst", ".zstd"], input => new DecompressionStream(input, leaveOpen: false)),
    ];

    /// <summary>Files that are no text, by the bytes with which they begin.</summary>
    private static readonly (byte[] Magic, string Problem)[] Refused =
    [
        (
            [.. "PK"u8, 3, 4],
            "this is an Excel workbook or a ZIP archive. Save the sheet as CSV UTF-8, or unpack the archive and give the file in it."),
        ([0xD0, 0xCF, 0x11, 0xE0], "this is an Excel workbook of the old kind (.xls). Save the sheet as CSV UTF-8."),
        ([.. "BZh"u8], "this is a bzip2 archive. Unpack it (bunzip2); gzip and zstd are read as they are."),
        ([0xFD, .. "7zXZ"u8], "this is an xz archive. Unpack it (unxz); gzip and zstd are read as they are."),
        ([.. "PAR1"u8], "this is a Parquet file. Give it the extension .parquet, or --format parquet."),
        ([.. "%PDF"u8], "this is a PDF document, expected a table of texts."),
        ([0xFF, 0xFE], "this is UTF-16 text (it begins with the byte 0xFF). Save the file as UTF-8."),
        ([0xFE, 0xFF], "this is UTF-16 text (it begins with the byte 0xFE). Save the file as UTF-8."),
    ];

    /// <summary>
    /// By default .NET reads a gzip file that is cut off as if it ended there, so that texts would be lost without a word. The switch holds for the
    /// process; a program that has set it itself is left alone.
    /// </summary>
    static Compression()
    {
        const string Strict = "System.IO.Compression.UseStrictValidation";
        if (!AppContext.TryGetSwitch(Strict, out _)) AppContext.SetSwitch(Strict, isEnabled: true);
    }

    /// <summary>The part of a file's name that tells its format: without the extension of a compression.</summary>
    public static string WithoutExtension(string path) =>
        Read.Any(kind => kind.Extensions.Contains(Path.GetExtension(path), StringComparer.OrdinalIgnoreCase))
            ? Path.ChangeExtension(path, extension: null)
            : path;

    /// <summary>The compression with whose mark a file begins; null if it begins otherwise.</summary>
    public static string? NameOf(ReadOnlySpan<byte> head)
    {
        foreach ((string name, byte[] magic, _, _) in Read)
            if (head.StartsWith(magic)) return name;
        return null;
    }

    /// <summary>
    /// The content of an input, and the name of its compression, or null if it is not compressed. The input stays open when its content is closed.
    /// </summary>
    /// <exception cref="LlmEmbedException">The input is of a kind that is not read.</exception>
    public static (Stream Content, string? Name) Unpack(Stream input, TableSource source)
    {
        HeadStream content = new(input);
        if (GitLfsPointer.ProblemOf(content.Head) is string pointer) throw source.Error(pointer);
        foreach ((byte[] magic, string problem) in Refused)
            if (content.Head.StartsWith(magic)) throw source.Error(problem);
        foreach ((string name, byte[] magic, _, Func<Stream, Stream> unpack) in Read)
            if (content.Head.StartsWith(magic)) return (unpack(content), name);
        return (content, null);
    }

    /// <summary>The bytes of an input as they are. The input stays open when they are closed.</summary>
    public static Stream KeepOpen(Stream input) => new HeadStream(input);

    /// <summary>A stream whose first bytes can be looked at before they are read. It does not close the one beneath it.</summary>
    private sealed class HeadStream(Stream input) : ForwardStream
    {
        private readonly byte[] _head = new byte[64];
        private int _headLength = -1;
        private int _next;

        /// <summary>The first 64 bytes, or as many as there are.</summary>
        public ReadOnlySpan<byte> Head
        {
            get
            {
                if (_headLength < 0) _headLength = ReadHead();
                return _head.AsSpan(0, _headLength);
            }
        }

        public override int Read(Span<byte> buffer)
        {
            ReadOnlySpan<byte> rest = Head[_next..];
            if (rest.IsEmpty) return input.Read(buffer);
            int count = Math.Min(rest.Length, buffer.Length);
            rest[..count].CopyTo(buffer);
            _next += count;
            return count;
        }

        /// <summary>Reads the head. A failure is left to the next read, which knows the line.</summary>
        private int ReadHead()
        {
            int length = 0;
            try
            {
                while (length < _head.Length && input.Read(_head.AsSpan(length)) is > 0 and int read) length += read;
            }
            catch (IOException)
            {
                return length;
            }
            return length;
        }
    }
}
