using System.Globalization;
using System.Text;

namespace LlmEmbed.Files;

/// <summary>
/// The few lines of text that a repository with Git LFS holds in place of a large file, until the file itself is fetched. Every file of a model is
/// looked at for them, because their text makes no sense to any reader.
/// </summary>
internal static class GitLfsPointer
{
    /// <summary>A pointer is shorter than this (the specification of Git LFS).</summary>
    public const int MaxBytes = 1024;

    private static ReadOnlySpan<byte> Beginning => "version https://git-lfs.github.com/spec/v1"u8;

    /// <summary>Refuses a pointer; anything else passes.</summary>
    /// <param name="path">The file.</param>
    /// <param name="start">Its first bytes, at least <see cref="MaxBytes"/> or all of it.</param>
    public static void Refuse(string path, ReadOnlySpan<byte> start)
    {
        if (ProblemOf(start) is string problem) throw FileProblem.In(path, problem);
    }

    /// <summary>What is wrong with a file that begins so, as a sentence without its path; null if it is no pointer.</summary>
    /// <param name="start">Its first bytes, at least 64 or all of it; the size of the file itself is told if they hold it.</param>
    public static string? ProblemOf(ReadOnlySpan<byte> start)
    {
        if (!start.StartsWith(Beginning)) return null;
        string text = Encoding.UTF8.GetString(start[..Math.Min(start.Length, MaxBytes)]);
        string? size = text.Split('\n').FirstOrDefault(line => line.StartsWith("size ", StringComparison.Ordinal))?[5..].Trim();
        string bytes = long.TryParse(size, NumberStyles.None, CultureInfo.InvariantCulture, out long length)
            ? string.Create(CultureInfo.InvariantCulture, $", which has {length:N0} bytes")
            : "";
        return $"this is a Git LFS pointer and not the file itself{bytes}. Run 'git lfs pull' in the repository that it lies in, or download the " +
            "file itself.";
    }
}
