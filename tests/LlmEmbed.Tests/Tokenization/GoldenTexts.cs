using System.Text.Json;
using LlmEmbed.Tokenization;
using Xunit;

namespace LlmEmbed.Tests.Tokenization;

/// <summary>The 336 texts and the ids that the tokenizers library gives for them.</summary>
internal static class GoldenTexts
{
    public static string[] Texts { get; } = Read<string[]>(Repository.Fixture("texts.json"));

    /// <summary>The ids that the tokenizer.json of a fixture gives for <see cref="Texts"/>, without special tokens.</summary>
    public static int[][] Ids(string fixture) => Section<int[][]>(Repository.Fixture(fixture, "tokenizer_golden.json"), "ids");

    public static T Read<T>(string file) => JsonSerializer.Deserialize<T>(File.ReadAllBytes(file))!;

    public static T Section<T>(string file, string key)
    {
        using JsonDocument document = JsonDocument.Parse(File.ReadAllBytes(file));
        return document.RootElement.GetProperty(key).Deserialize<T>()!;
    }

    /// <summary>The texts whose ids are not the expected ones.</summary>
    public static List<string> Differences(
        Tokenizer tokenizer,
        IReadOnlyList<string> texts,
        IReadOnlyList<int[]> expected,
        bool addSpecialTokens = false)
    {
        Assert.Equal(expected.Count, texts.Count);
        int[] Ids(string text) => tokenizer.Encode(text, addSpecialTokens: addSpecialTokens).Ids;
        return [.. texts.Where((text, index) => !Ids(text).AsSpan().SequenceEqual(expected[index]))];
    }
}
