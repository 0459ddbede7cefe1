using System.Text;
using LlmEmbed.Files;

namespace LlmEmbed.Tokenization;

/// <summary>The section <c>pre_tokenizer</c> of a tokenizer.json. A new kind is one row.</summary>
internal static class JsonPreTokenizers
{
    private const string Sequence = "Sequence", Members = "pretokenizers";

    /// <summary>Each makes the step that goes before the step that it is given.</summary>
    private static readonly (string Name, Func<JsonSection, TextStage, TextStage> Read)[] Kinds =
    [
        (Sequence, ReadSequence),
        ("BertPreTokenizer", (_, next) => new BertSplit(next)),
        ("Whitespace", (_, next) => new WordSplit(next)),
        ("WhitespaceSplit", (_, next) => new DelimiterSplit(CharacterClass.IsWhiteSpace, DelimiterBehavior.Removed, next)),
        ("Punctuation", (section, next) => new DelimiterSplit(CharacterClass.IsPunctuation, ReadBehavior(section, DelimiterBehavior.Isolated), next)),
        ("Digits", (section, next) => new DelimiterSplit(
            CharacterClass.IsNumber,
            section.Flag("individual_digits", fallback: false) ? DelimiterBehavior.Isolated : DelimiterBehavior.Contiguous,
            next)),
        ("Metaspace", ReadMetaspace),
        ("ByteLevel", ReadByteLevel),
        ("Split", ReadSplit),
    ];

    private static readonly (string Name, MetaspacePrefix Prefix)[] PrependSchemes =
    [
        ("always", MetaspacePrefix.Always),
        ("first", MetaspacePrefix.First),
        ("never", MetaspacePrefix.Never),
    ];

    private static readonly (string Name, DelimiterBehavior Behavior)[] Behaviors =
        [.. Enum.GetValues<DelimiterBehavior>().Select(behavior => (behavior.ToString(), behavior))];

    /// <summary>The names of the steps that a section stands for, those of a sequence one by one.</summary>
    public static IEnumerable<string> Names(JsonSection section) => section.Text("type") is var name && name == Sequence
        ? section.Sections(Members).SelectMany(Names)
        : [name];

    /// <param name="section">The section, or a member of a sequence.</param>
    /// <param name="next">The step behind it.</param>
    public static TextStage Read(JsonSection section, TextStage next)
    {
        TextStage stage = section.Kind(Kinds)(section, next);
        section.RefuseUnread();
        return stage;
    }

    /// <summary>The chain is built from its end, so a sequence is read from its last member to its first.</summary>
    private static TextStage ReadSequence(JsonSection section, TextStage next) =>
        section.Sections(Members).Reverse().Aggregate(next, (behind, member) => Read(member, behind));

    private static MetaspaceStage ReadMetaspace(JsonSection section, TextStage next)
    {
        section.Ignore("str_rep");
        string replacement = section.Text("replacement");
        if (replacement.Length != 1) throw section.Error($"'{section.Place("replacement")}' is '{replacement}', expected one character.");
        // Files from before 2024 say only whether there is a prefix.
        string scheme = section.TextOrNull("prepend_scheme") ?? (section.Flag("add_prefix_space", fallback: true) ? "always" : "never");
        section.Ignore("add_prefix_space");
        MetaspacePrefix prefix = section.Kind("prepend_scheme", scheme, PrependSchemes);
        if (section.Flag("split", fallback: true))
            next = new DelimiterSplit(rune => rune.Value == replacement[0], DelimiterBehavior.MergedWithNext, next);
        return new MetaspaceStage(replacement[0], prefix, next);
    }

    private static TextStage ReadByteLevel(JsonSection section, TextStage next)
    {
        section.Ignore("trim_offsets");
        TextStage stage = new ByteLevelStage(next);
        if (section.Flag("use_regex", fallback: true)) stage = new Gpt2Split(stage);
        return section.Flag("add_prefix_space", fallback: true) ? new PrefixSpaceStage(stage) : stage;
    }

    private static TextStage ReadSplit(JsonSection section, TextStage next)
    {
        JsonSection pattern = section.Section("pattern");
        DelimiterBehavior behavior = ReadBehavior(section, fallback: null);
        bool isInverted = section.Flag("invert", fallback: false);
        if (pattern.TextOrNull("String") is string literal)
        {
            if (isInverted || !Rune.TryGetRuneAt(literal, 0, out Rune delimiter) || delimiter.Utf16SequenceLength != literal.Length)
                throw section.NotImplemented("pattern", literal, "one character, not inverted");
            return new DelimiterSplit(rune => rune == delimiter, behavior, next);
        }
        string regex = pattern.Text("Regex");
        PatternSplit split = PatternSplit.For(regex, next)
            ?? throw pattern.NotImplemented("Regex", regex, "the patterns of GPT-2, LLaMA-3 and Qwen2");
        // The three patterns match all of a text. To isolate the matches and to drop what lies between them is then the same.
        if ((behavior, isInverted) is (DelimiterBehavior.Isolated, _) or (DelimiterBehavior.Removed, true)) return split;
        throw section.NotImplemented("behavior", behavior.ToString(), "Isolated, or Removed and inverted, for this pattern");
    }

    private static DelimiterBehavior ReadBehavior(JsonSection section, DelimiterBehavior? fallback)
    {
        if (section.TextOrNull("behavior") is not string name)
            return fallback ?? throw section.Error($"'{section.Place("behavior")}' is missing.");
        return section.Kind("behavior", name, Behaviors);
    }
}
