using System.Text;
using LlmEmbed.Data;
using Xunit;

namespace LlmEmbed.Tests.Data;

/// <summary>Opens tables in memory, and gives the error with which reading them ends.</summary>
internal static class Tables
{
    public static TableReader Open(string content, TableOptions options) => Open(Encoding.UTF8.GetBytes(content), options);

    public static TableReader Open(byte[] content, TableOptions options) => TableReader.Open(new MemoryStream(content), options);

    public static List<TableRow> Rows(string content, TableOptions options)
    {
        using TableReader table = Open(content, options);
        return table.Rows().ToList();
    }

    /// <summary>The line and the fields of each row in one string, so that a failing test shows them.</summary>
    public static string[] Joined(string content, TableOptions options) =>
        Rows(content, options).Select(row => $"{row.LineNumber}: {string.Join('|', row.Fields.Select(field => field.Text ?? "null"))}").ToArray();

    public static LlmEmbedException Error(string content, TableOptions options) => Error(Encoding.UTF8.GetBytes(content), options);

    public static LlmEmbedException Error(byte[] content, TableOptions options) => Assert.Throws<LlmEmbedException>(() =>
    {
        using TableReader table = Open(content, options);
        foreach (TableRow _ in table.Rows())
        {
        }
    });

    public static void AssertError(string expected, long? line, LlmEmbedException error)
    {
        Assert.Contains(expected, error.Message, StringComparison.Ordinal);
        Assert.Equal(line, error.LineNumber);
        if (line is not null) Assert.Contains($" {line}:", error.Message, StringComparison.Ordinal);
    }
}
