namespace LlmEmbed.Data;

/// <summary>How a table lies in its file. Text formats are UTF-8, with or without a byte order mark.</summary>
internal enum TableFormat
{
    /// <summary>RFC 4180 with a header line; fields with commas, quotes or line breaks are quoted, quotes inside them doubled.</summary>
    Csv,

    /// <summary>As <see cref="Csv"/>, quotes included, with tabs in place of commas.</summary>
    Tsv,

    /// <summary>One JSON object per line.</summary>
    JsonLines,

    /// <summary>Apache Parquet with flat columns.</summary>
    Parquet,

    /// <summary>One text per line and nothing else; its only column is called <c>text</c>.</summary>
    Lines,
}

internal static class TableFormats
{
    private const string Known = "csv, tsv, jsonl, parquet and lines (one text per line)";

    /// <summary>What <c>--format</c> takes.</summary>
    public static TableFormat Parse(string name) => FromName(name.ToLowerInvariant())
        ?? throw new LlmEmbedException($"The format '{name}' is not known. Known are {Known}.");

    /// <summary>The format that a file's extension stands for.</summary>
    public static TableFormat FromPath(string path)
    {
        string extension = Path.GetExtension(path);
        return FromName(extension.TrimStart('.').ToLowerInvariant())
            ?? throw new LlmEmbedException($"{path}: the extension '{extension}' does not tell the format. Known are .csv, .tsv, .jsonl, .ndjson, .parquet and .txt; " +
                $"give --format for a file that is called otherwise ({Known}).")
            { FilePath = path };
    }

    private static TableFormat? FromName(string name) => name switch
    {
        "csv" => TableFormat.Csv,
        "tsv" => TableFormat.Tsv,
        "jsonl" or "ndjson" => TableFormat.JsonLines,
        "parquet" => TableFormat.Parquet,
        "txt" or "lines" => TableFormat.Lines,
        _ => null,
    };
}
