using LlmEmbed.Files;

namespace LlmEmbed.Tokenization;

/// <summary>
/// Reads tokenizer.json, the format of the Hugging Face tokenizers library. Everything that changes ids is either done exactly as the library does
/// it or refused by name. A decoder, truncation and padding do not change the ids of a text and are passed over.
/// </summary>
internal static class TokenizerJson
{
    public static TokenizerParts Read(string file)
    {
        JsonSection root = JsonSection.Open(file);
        root.Ignore("version", "decoder", "truncation", "padding");
        JsonModel model = JsonModels.Read(root.Section("model"));
        List<AddedToken> addedTokens = ReadAddedTokens(root, model);
        JsonSection? preTokenizer = root.SectionOrNull("pre_tokenizer");
        string[] preTokenizers = preTokenizer is null ? [] : [.. JsonPreTokenizers.Names(preTokenizer)];
        TextNormalizer? normalizer = root.SectionOrNull("normalizer") is JsonSection section ? JsonNormalizers.Read(section) : null;
        SpecialTokenFrame frame = root.SectionOrNull("post_processor") is JsonSection processor
            ? JsonPostProcessors.Read(processor)
            : SpecialTokenFrame.None;
        CheckFrame(root, frame, model.Vocabulary, addedTokens);

        TokenizerConfig config = TokenizerConfig.Beside(file);
        int? padId = config.PadId(model.Vocabulary, addedTokens) ?? root.SectionOrNull("padding")?.IntOrNull("pad_id");
        root.RefuseUnread();
        bool isByteLevel = preTokenizers.Contains("ByteLevel");
        return new TokenizerParts
        {
            Kind = isByteLevel ? $"byte-level {model.Kind}" : model.Kind,
            PreTokenizer = preTokenizers.Length == 0 ? null : string.Join(" + ", preTokenizers),
            Vocabulary = model.Vocabulary,
            WordMarks = isByteLevel ? WordMarks.Bytes : model.WordMarks,
            ContinuationPrefix = model.ContinuationPrefix,
            AddedTokens = addedTokens,
            Normalizer = normalizer,
            Words = preTokenizer is null ? model.Stage : JsonPreTokenizers.Read(preTokenizer, model.Stage),
            Frame = frame,
            PadId = padId,
            SourceFiles = [file],
        };
    }

    private static List<AddedToken> ReadAddedTokens(JsonSection root, JsonModel model)
    {
        List<AddedToken> tokens = [];
        foreach (JsonSection section in root.Sections("added_tokens"))
        {
            AddedToken token = TokenizerConfig.ReadToken(section, section.Int("id"));
            section.RefuseUnread();
            if (token.Content.Length == 0) continue;
            model.Vocabulary.Check(token);
            tokens.Add(token.Id == model.UnknownId ? token with { Special = false } : token);
        }
        return tokens;
    }

    private static void CheckFrame(JsonSection root, SpecialTokenFrame frame, Vocabulary vocabulary, List<AddedToken> addedTokens)
    {
        foreach (int id in frame.Before.Concat(frame.After))
            if (vocabulary.Token(id) is null && !addedTokens.Exists(token => token.Id == id))
                throw root.Error($"'post_processor' adds the id {id}, which no token has.");
    }
}
