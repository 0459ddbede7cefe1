using System.Security.Cryptography;
using System.Text;

namespace LlmEmbed.Files;

/// <summary>Checksums by which a backbone is recognized, wherever its files lie.</summary>
internal static class FileHash
{
    /// <summary>SHA-256, in hexadecimal, over the SHA-256 of these files in the given order, so that names do not matter.</summary>
    public static string OfAll(IEnumerable<string> files)
    {
        StringBuilder lines = new();
        foreach (string file in files) lines.Append(Of(file)).Append('\n');
        return Convert.ToHexStringLower(SHA256.HashData(Encoding.UTF8.GetBytes(lines.ToString())));
    }

    private static string Of(string file)
    {
        using FileStream stream = new(file, FileMode.Open, FileAccess.Read, FileShare.Read, bufferSize: 1 << 20, FileOptions.SequentialScan);
        return Convert.ToHexStringLower(SHA256.HashData(stream));
    }
}
