using System.Text;
using LlmEmbed.Files;

namespace LlmEmbed.Tokenization;

/// <summary>The section <c>normalizer</c> of a tokenizer.json. A new kind is one row.</summary>
internal static class JsonNormalizers
{
    private static readonly (string Name, Func<JsonSection, TextNormalizer> Read)[] Kinds =
    [
        ("Sequence", section => new SequenceNormalizer([.. section.Sections("normalizers").Select(Read)])),
        ("BertNormalizer", ReadBert),
        ("Lowercase", _ => new LowercaseNormalizer()),
        ("NFC", _ => new UnicodeFormNormalizer(NormalizationForm.FormC)),
        ("NFD", _ => new UnicodeFormNormalizer(NormalizationForm.FormD)),
        ("NFKC", _ => new UnicodeFormNormalizer(NormalizationForm.FormKC)),
        ("NFKD", _ => new UnicodeFormNormalizer(NormalizationForm.FormKD)),
        ("StripAccents", _ => new RemovingNormalizer(CharacterClass.IsMark)),
        ("Strip", section => new StripNormalizer(section.Flag("strip_left", fallback: true), section.Flag("strip_right", fallback: true))),
        ("Prepend", section => new PrependNormalizer(section.Text("prepend"))),
        ("Replace", ReadReplace),
        ("Precompiled", section => new PrecompiledNormalizer(ReadCharacterMap(section))),
    ];

    /// <summary>The regular expressions of <c>Replace</c>. Others have no scan.</summary>
    private static readonly (string Pattern, Func<string, TextNormalizer> Create)[] Patterns =
    [
        (@"\s+", content => new ReplaceRunsNormalizer(char.IsWhiteSpace, minimum: 1, content)),
        (" {2,}", content => new ReplaceRunsNormalizer(character => character == ' ', minimum: 2, content)),
    ];

    public static TextNormalizer Read(JsonSection section)
    {
        TextNormalizer normalizer = section.Kind(Kinds)(section);
        section.RefuseUnread();
        return normalizer;
    }

    private static BertNormalizer ReadBert(JsonSection section)
    {
        bool lowercase = section.Flag("lowercase", fallback: true);
        return new BertNormalizer(
            section.Flag("clean_text", fallback: true),
            section.Flag("handle_chinese_chars", fallback: true),
            section.FlagOrNull("strip_accents") ?? lowercase,
            lowercase);
    }

    private static TextNormalizer ReadReplace(JsonSection section)
    {
        JsonSection pattern = section.Section("pattern");
        string content = section.Text("content");
        if (pattern.TextOrNull("String") is string literal)
            return literal.Length > 0 ? new ReplaceNormalizer(literal, content) : throw section.Error($"'{section.Place("pattern")}' is empty.");
        return pattern.Kind("Regex", pattern.Text("Regex"), Patterns)(content);
    }

    private static PrecompiledCharacterMap ReadCharacterMap(JsonSection section)
    {
        try
        {
            return new PrecompiledCharacterMap(section.File, Convert.FromBase64String(section.Text("precompiled_charsmap")));
        }
        catch (FormatException)
        {
            throw section.Error($"'{section.Place("precompiled_charsmap")}' is not base64. Fetch the file again.");
        }
    }
}
