namespace LlmEmbed.Files;

/// <summary>Errors about a file. Each message begins with the path of the file, which is a property of the error too.</summary>
internal static class FileProblem
{
    /// <param name="path">The file or folder.</param>
    /// <param name="problem">A sentence without the path.</param>
    /// <param name="cause">The exception behind it, if there is one.</param>
    public static LlmEmbedException In(string path, string problem, Exception? cause = null) =>
        new($"{InvisibleCharacters.Show(path)}: {problem}", cause) { FilePath = path };

    /// <summary>There is no file or folder of this name.</summary>
    public static LlmEmbedException Missing(string path, Exception? cause = null) => In(
        path,
        InvisibleCharacters.Trim(path) == path
            ? "there is no such file."
            : "there is no such file. The name begins or ends in an invisible character; \\u000d at its end comes from a script whose lines end " +
            "with CR LF.",
        cause);

    /// <summary>
    /// Why a file could not be opened, read or written, as a sentence without the path. .NET adds the whole path to its messages, which may be that
    /// of a temporary file that the user never named.
    /// </summary>
    public static string Describe(Exception exception) => exception switch
    {
        FileNotFoundException => "there is no such file.",
        DirectoryNotFoundException => "a folder above it does not exist or is a file.",
        UnauthorizedAccessException => "access is denied.",
        _ => exception.Message.Split(" : '")[0].TrimEnd('.') + ".",
    };

    /// <summary>Names as a sentence lists them: "csv, tsv and jsonl".</summary>
    public static string List(IReadOnlyList<string> names) =>
        names.Count < 2 ? string.Concat(names) : $"{string.Join(", ", names.SkipLast(1))} and {names[^1]}";

    /// <summary>The bytes of a model's file.</summary>
    /// <exception cref="LlmEmbedException">The file cannot be read, or a Git LFS pointer lies in its place.</exception>
    public static byte[] ReadBytes(string path)
    {
        byte[] bytes = WhenReading(path, File.ReadAllBytes);
        GitLfsPointer.Refuse(path, bytes);
        return bytes;
    }

    /// <summary>Reads a file.</summary>
    /// <exception cref="LlmEmbedException">The file cannot be opened or read.</exception>
    public static T WhenReading<T>(string path, Func<string, T> read)
    {
        try
        {
            return read(path);
        }
        catch (Exception exception) when (exception is IOException or UnauthorizedAccessException)
        {
            throw In(path, $"the file cannot be read: {Describe(exception)}", exception);
        }
    }

    /// <summary>Makes a folder, or whatever else changes the disk without a file of its own.</summary>
    /// <exception cref="LlmEmbedException">It cannot be made.</exception>
    public static T WhenWriting<T>(string path, Func<string, T> write)
    {
        try
        {
            return write(path);
        }
        catch (Exception exception) when (exception is IOException or UnauthorizedAccessException)
        {
            throw In(path, $"this cannot be written: {Describe(exception)}", exception);
        }
    }

    /// <summary>
    /// Whether it may help to try again: a full disk or a network that failed, but neither a missing file, a missing permission, nor a file system
    /// that is read-only.
    /// </summary>
    public static bool MayPass(Exception? exception)
    {
        const int ReadOnlyFileSystem = 30; // EROFS on Linux and macOS, the same on both
        return exception is IOException and not (FileNotFoundException or DirectoryNotFoundException or PathTooLongException)
            && (exception.HResult & 0xFFFF) != ReadOnlyFileSystem;
    }
}
