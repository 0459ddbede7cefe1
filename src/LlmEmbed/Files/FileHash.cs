using System.Security.Cryptography;
using System.Text;

namespace LlmEmbed.Files;

/// <summary>Checksums by which a backbone is recognized, wherever its files lie.</summary>
internal static class FileHash
{
    private const int BlockBytes = 1 << 20;

    /// <summary>How many bytes are read between two reports: about a tenth of a second of work.</summary>
    private const long ReportBytes = 1 << 26;

    /// <summary>SHA-256, in hexadecimal, over the SHA-256 of these files in the given order. The names of the files do not matter.</summary>
    /// <param name="files">The files.</param>
    /// <param name="progress">Told the bytes read, every 64 MiB and at the end; files of less than 64 MiB together are read without a report.</param>
    /// <param name="cancellationToken">Stops between two blocks of 1 MiB.</param>
    /// <exception cref="LlmEmbedException">A file cannot be read.</exception>
    /// <exception cref="OperationCanceledException">The token was cancelled.</exception>
    public static string OfAll(IReadOnlyList<string> files, IProgress<WorkProgress>? progress = null, CancellationToken cancellationToken = default)
    {
        Progress bytes = new(progress, files.Sum(file => FileProblem.WhenReading(file, path => new FileInfo(path).Length)));
        StringBuilder lines = new();
        foreach (string file in files) lines.Append(FileProblem.WhenReading(file, path => Of(path, bytes, cancellationToken))).Append('\n');
        return Convert.ToHexStringLower(SHA256.HashData(Encoding.UTF8.GetBytes(lines.ToString())));
    }

    /// <summary>SHA-256 of a file, in hexadecimal.</summary>
    /// <exception cref="LlmEmbedException">The file cannot be read.</exception>
    public static string Of(string file) =>
        FileProblem.WhenReading(file, path => Of(path, new Progress(null, long.MaxValue), CancellationToken.None));

    private static string Of(string file, Progress progress, CancellationToken cancellationToken)
    {
        // The stream needs no buffer of its own, because whole blocks are read.
        using FileStream stream = new(file, FileMode.Open, FileAccess.Read, FileShare.Read, bufferSize: 0, FileOptions.SequentialScan);
        using IncrementalHash hash = IncrementalHash.CreateHash(HashAlgorithmName.SHA256);
        return Of(stream, hash, read =>
        {
            cancellationToken.ThrowIfCancellationRequested();
            progress.Add(read);
        });
    }

    /// <summary>The hash, in hexadecimal, of what was given to it before and all bytes of a stream.</summary>
    /// <param name="stream">The stream.</param>
    /// <param name="hash">The hash.</param>
    /// <param name="read">Told the bytes of each block of at most 1 MiB.</param>
    public static string Of(Stream stream, IncrementalHash hash, Action<int>? read = null)
    {
        byte[] block = new byte[BlockBytes];
        for (int count; (count = stream.Read(block)) > 0;)
        {
            hash.AppendData(block.AsSpan(0, count));
            read?.Invoke(count);
        }
        return Convert.ToHexStringLower(hash.GetHashAndReset());
    }

    /// <summary>Counts bytes and reports now and then.</summary>
    private sealed class Progress(IProgress<WorkProgress>? target, long totalBytes)
    {
        private long _bytes;

        public void Add(int bytes)
        {
            long before = _bytes;
            _bytes += bytes;
            bool isDue = before / ReportBytes != _bytes / ReportBytes || _bytes == totalBytes;
            if (isDue && totalBytes >= ReportBytes) target?.Report(new WorkProgress("Checking the weights", _bytes, totalBytes, "bytes"));
        }
    }
}
