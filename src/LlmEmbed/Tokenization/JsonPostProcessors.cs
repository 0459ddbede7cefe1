using System.Text.Json;
using LlmEmbed.Files;

namespace LlmEmbed.Tokenization;

/// <summary>The section <c>post_processor</c> of a tokenizer.json: the special tokens around every text. A new kind is one row.</summary>
internal static class JsonPostProcessors
{
    private static readonly (string Name, Func<JsonSection, SpecialTokenFrame> Read)[] Kinds =
    [
        ("Sequence", ReadSequence),
        ("TemplateProcessing", ReadTemplate),
        ("RobertaProcessing", ReadPair),
        ("BertProcessing", ReadPair),
        ("ByteLevel", _ => SpecialTokenFrame.None),
    ];

    public static SpecialTokenFrame Read(JsonSection section)
    {
        SpecialTokenFrame frame = section.Kind(Kinds)(section);
        section.Ignore("trim_offsets", "add_prefix_space", "use_regex", "pair").RefuseUnread();
        return frame;
    }

    /// <summary>Each member puts its tokens around what the members before it gave.</summary>
    private static SpecialTokenFrame ReadSequence(JsonSection section) => section.Sections("processors").Select(Read).Aggregate(
        SpecialTokenFrame.None,
        (inner, outer) => new SpecialTokenFrame([.. outer.Before, .. inner.Before], [.. inner.After, .. outer.After]));

    private static SpecialTokenFrame ReadPair(JsonSection section) => new([ReadId(section, "cls")], [ReadId(section, "sep")]);

    private static int ReadId(JsonSection section, string key)
    {
        JsonElement pair = section.Array(key);
        return pair.IsPair() && pair[1].ValueKind == JsonValueKind.Number && pair[1].TryGetInt32(out int id) ? id
            : throw section.Wrong(key, pair, "a token and its id");
    }

    private static SpecialTokenFrame ReadTemplate(JsonSection section)
    {
        Dictionary<string, int[]> ids = section.NamedSections("special_tokens")
            .ToDictionary(item => item.Key, item => item.Value.Ints("ids"), StringComparer.Ordinal);
        List<int> before = [], after = [];
        int sequences = 0;
        foreach (JsonSection item in section.Sections("single"))
        {
            if (item.SectionOrNull("Sequence") is JsonSection sequence)
            {
                sequences += sequence.Text("id") == "A" ? 1 : 2;
                continue;
            }
            string token = item.Section("SpecialToken").Text("id");
            if (!ids.TryGetValue(token, out int[]? tokenIds))
                throw section.Error($"the template uses '{token}', which '{section.Place("special_tokens")}' does not have.");
            (sequences == 0 ? before : after).AddRange(tokenIds);
        }
        if (sequences != 1) throw section.Error($"'{section.Place("single")}' does not hold the text (sequence A) exactly once.");
        return new SpecialTokenFrame([.. before], [.. after]);
    }
}
