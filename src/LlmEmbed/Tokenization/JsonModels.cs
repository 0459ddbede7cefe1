using System.Text.Json;
using LlmEmbed.Files;

namespace LlmEmbed.Tokenization;

/// <summary>The model of a tokenizer.json.</summary>
/// <param name="Stage">The end of the chain of steps.</param>
/// <param name="Kind">Its name for people.</param>
/// <param name="Vocabulary">Its tokens.</param>
/// <param name="UnknownId">The token that stands for text which no other token covers; null if there is none.</param>
internal sealed record JsonModel(TextStage Stage, string Kind, Vocabulary Vocabulary, int? UnknownId)
{
    /// <summary>Written before a token that goes on with a word; empty if nothing is.</summary>
    public string ContinuationPrefix { get; init; } = "";

    /// <summary>How the vocabulary shows where words begin, if it is not one of bytes.</summary>
    public WordMarks WordMarks => ContinuationPrefix.Length > 0 ? WordMarks.Continuations
        : Vocabulary.Ids.Keys.Any(token => token.StartsWith('\u2581')) ? WordMarks.Spaces
        : WordMarks.None;
}

/// <summary>The section <c>model</c> of a tokenizer.json. A new kind is one row.</summary>
internal static class JsonModels
{
    private static readonly (string Name, Func<JsonSection, JsonModel> Read)[] Kinds =
    [
        ("BPE", ReadBpe),
        ("WordPiece", ReadWordPiece),
        ("Unigram", ReadUnigram),
    ];

    /// <summary>Early files name no type. A key that only one kind has tells it.</summary>
    private static readonly (string Key, string Name)[] TellingKeys =
        [("merges", "BPE"), ("max_input_chars_per_word", "WordPiece"), ("unk_id", "Unigram")];

    public static JsonModel Read(JsonSection model)
    {
        string name = model.TextOrNull("type") ?? TellingKeys.FirstOrDefault(pair => model.Has(pair.Key)).Name ?? "(none)";
        JsonModel result = model.Kind("type", name, Kinds)(model);
        model.RefuseUnread();
        return result;
    }

    private static JsonModel ReadWordPiece(JsonSection model)
    {
        Vocabulary vocabulary = Vocabulary.WithLaterTokens(model.File, model.Ids("vocab"));
        int unknownId = model.RequiredId("unk_token", vocabulary);
        string prefix = model.TextOrNull("continuing_subword_prefix") ?? WordPieceModel.UsualPrefix;
        int maxCharacters = model.IntOrNull("max_input_chars_per_word") ?? 100;
        return new JsonModel(new WordPieceModel(vocabulary, unknownId, prefix, maxCharacters), "WordPiece", vocabulary, unknownId)
        {
            ContinuationPrefix = prefix,
        };
    }

    private static JsonModel ReadBpe(JsonSection model)
    {
        Vocabulary vocabulary = Vocabulary.WithLaterTokens(model.File, model.Ids("vocab"));
        model.Ignore("cache_capacity");
        BpeOptions options = new()
        {
            UnknownId = model.Has("unk_token") ? model.RequiredId("unk_token", vocabulary) : null,
            FuseUnknown = model.Flag("fuse_unk", fallback: false),
            ByteFallback = model.Flag("byte_fallback", fallback: false),
            IgnoreMerges = model.Flag("ignore_merges", fallback: false),
            ContinuationPrefix = model.TextOrNull("continuing_subword_prefix") ?? "",
            EndOfWordSuffix = model.TextOrNull("end_of_word_suffix") ?? "",
        };
        JsonElement array = model.Array("merges");
        BpeMerges merges = new(model.File, vocabulary, options.ContinuationPrefix, array.GetArrayLength());
        int count = 0;
        foreach (JsonElement merge in array.EnumerateArray())
        {
            if (!TryAddMerge(merges, merge)) throw model.Wrong($"merges[{count}]", merge, "two tokens");
            count++;
        }
        string kind = options.ByteFallback ? "BPE with byte fallback" : "BPE";
        return new JsonModel(new BpeModel(vocabulary, merges, options), kind, vocabulary, options.UnknownId)
        {
            ContinuationPrefix = options.ContinuationPrefix,
        };
    }

    /// <summary>Old files write a merge as "a b", new ones as ["a", "b"].</summary>
    private static bool TryAddMerge(BpeMerges merges, JsonElement merge)
    {
        if (merge.ValueKind == JsonValueKind.String) return merges.TryAdd(merge.GetString());
        if (!merge.IsPair() || merge[0].ValueKind != JsonValueKind.String || merge[1].ValueKind != JsonValueKind.String) return false;
        merges.Add(merge[0].GetString(), merge[1].GetString());
        return true;
    }

    private static JsonModel ReadUnigram(JsonSection model)
    {
        List<(string Token, double Score)> pieces = [];
        foreach (JsonElement item in model.Array("vocab").EnumerateArray())
        {
            if (!item.IsPair() || item[0].ValueKind != JsonValueKind.String || item[1].ValueKind != JsonValueKind.Number)
                throw model.Wrong($"vocab[{pieces.Count}]", item, "a token and its score");
            pieces.Add((item[0].GetString()!, item[1].GetDouble()));
        }
        Vocabulary vocabulary = new(model.File, [.. pieces.Select((piece, id) => KeyValuePair.Create(piece.Token, id))]);
        int unknownId = model.IntOrNull("unk_id") ?? -1;
        if (vocabulary.Token(unknownId) is null)
            throw model.Error($"'{model.Place("unk_id")}' is {unknownId}, expected the id of one of the {pieces.Count} tokens.");
        bool byteFallback = model.Flag("byte_fallback", fallback: false);
        return new JsonModel(new UnigramModel(vocabulary, pieces, unknownId, byteFallback), "Unigram", vocabulary, unknownId);
    }
}
