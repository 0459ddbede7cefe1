using System.Text.Json.Nodes;
using LlmEmbed.Tokenization;
using Xunit;

namespace LlmEmbed.Tests.Tokenization;

/// <summary>
/// Parts of the format that no fixture uses: each case of tokenizer-parts.json changes a fixture's tokenizer.json by a JSON merge patch,
/// and its ids are those that the tokenizers library 0.23.2 gives with the changed file.
/// </summary>
public sealed class TokenizerJsonPartsTests
{
    private static readonly JsonArray Cases = JsonNode.Parse(File.ReadAllBytes(Repository.Fixture("tokenizer-parts.json")))!.AsArray();

    public static TheoryData<string> Names { get; } = [.. Cases.Select(item => item!["name"]!.GetValue<string>())];

    [Theory]
    [MemberData(nameof(Names))]
    public void Every_text_has_the_ids_of_the_tokenizers_library(string name)
    {
        JsonNode item = Cases.Single(node => node!["name"]!.GetValue<string>() == name)!;
        JsonNode json = item["fixture"] is JsonNode fixture
            ? JsonNode.Parse(File.ReadAllBytes(Repository.Fixture(fixture.GetValue<string>(), "tokenizer.json")))!
            : new JsonObject();
        Patch(json.AsObject(), item["patch"]!.AsObject());

        using TemporaryFolder folder = new();
        Tokenizer tokenizer = Tokenizer.Load(folder.Write("tokenizer.json", json.ToJsonString()));
        string[] texts = [.. item["texts"]!.AsArray().Select(text => text!.GetValue<string>())];
        int[][] ids = [.. item["ids"]!.AsArray().Select(row => row!.AsArray().Select(id => id!.GetValue<int>()).ToArray())];
        for (int index = 0; index < texts.Length; index++) Assert.Equal(ids[index], tokenizer.Encode(texts[index]).Ids);
    }

    /// <summary>A JSON merge patch (RFC 7386): objects are merged, null removes a key, any other value replaces it.</summary>
    private static void Patch(JsonObject target, JsonObject patch)
    {
        foreach ((string key, JsonNode? value) in patch)
        {
            if (value is null) target.Remove(key);
            else if (value is JsonObject changes && target[key] is JsonObject section) Patch(section, changes);
            else target[key] = value.DeepClone();
        }
    }
}
