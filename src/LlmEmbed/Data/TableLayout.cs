namespace LlmEmbed.Data;

/// <summary>How a table was read: as the options said it, or as its file showed it.</summary>
/// <param name="Format">The format.</param>
public sealed record TableLayout(TableFormat Format)
{
    private static readonly Dictionary<char, string> SeparatorNames = new()
    {
        [','] = "commas",
        [';'] = "semicolons",
        ['\t'] = "tabs",
        ['|'] = "vertical bars",
    };

    /// <summary>The character between the fields of a line; null for formats without one.</summary>
    public char? Separator { get; init; }

    /// <summary>Whether fields may stand in quotes; null for formats without quotes.</summary>
    public bool? HasQuotes { get; init; }

    /// <summary>How the file is compressed, for example <c>gzip</c>; null if it is not.</summary>
    public string? Compression { get; init; }

    /// <summary>The layout in a few words, for example "csv, semicolons, fields quoted as in RFC 4180".</summary>
    public override string ToString()
    {
        List<string> words = [Format.Name];
        if (Separator is char separator) words.Add(SeparatorNames.GetValueOrDefault(separator) ?? $"separator '{separator}'");
        if (HasQuotes is bool quotes) words.Add(quotes ? "fields quoted as in RFC 4180" : "quotes are characters");
        if (Compression is not null) words.Add(Compression);
        return string.Join(", ", words);
    }
}
