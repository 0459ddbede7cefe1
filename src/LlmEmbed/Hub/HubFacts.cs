using System.Text.Json;
using System.Text.Json.Nodes;
using LlmEmbed.Files;

namespace LlmEmbed.Hub;

/// <summary>What the Hub says of a model, as <c>inspect</c> shows it.</summary>
internal static class HubFacts
{
    public static JsonObject Of(HubName name, HubOutline outline, HubEnvironment environment)
    {
        JsonElement card = Find(outline.About, "cardData") ?? default;
        JsonObject facts = new()
        {
            ["kind"] = "model of the Hugging Face Hub, not downloaded",
            ["name"] = name.At(outline.Commit, outline.Files is [var only] && HubGguf.Is(only.Path) ? only.Path : null),
            ["licence"] = string.Join(", ", Texts(card, "license").Concat(Texts(card, "license_name")).DefaultIfEmpty("not said")),
            ["languages"] = string.Join(", ", Texts(card, "language").DefaultIfEmpty("not said")),
            ["gated"] = Gated(name, outline.About, environment),
        };
        if ((Number(outline.About, "safetensors", "total") ?? Number(outline.About, "gguf", "total")) is long parameters)
            facts["parameters"] = parameters;
        if (outline.Problem is string problem) facts["problem"] = problem;
        if (outline.Files.Count > 0)
        {
            facts["download_files"] = outline.Files.Count;
            facts["download_bytes"] = outline.Files.Sum(file => file.Size);
        }
        return facts;
    }

    private static string Gated(HubName name, JsonElement about, HubEnvironment environment)
    {
        if (Find(about, "gated") is not { } gated || gated.ValueKind == JsonValueKind.False) return "no";
        string how = gated.ValueKind == JsonValueKind.String && gated.GetString() == "manual" ? "yes, by hand of its owner" : "yes";
        return $"{how}: accept its terms at {environment.Endpoint}/{name.Id}, then set {HubEnvironment.TokenVariable}";
    }

    private static long? Number(JsonElement about, string section, string key) =>
        Find(about, section) is { } found && Find(found, key) is { ValueKind: JsonValueKind.Number } number && number.TryGetInt64(out long value)
            ? value : null;

    /// <summary>The texts under a key, which holds one or a list of them.</summary>
    private static IEnumerable<string> Texts(JsonElement card, string key)
    {
        JsonElement[] values = Find(card, key) switch
        {
            { ValueKind: JsonValueKind.String } one => [one],
            { ValueKind: JsonValueKind.Array } several => [.. several.EnumerateArray().Where(value => value.ValueKind == JsonValueKind.String)],
            _ => [],
        };
        return values.Select(value => InvisibleCharacters.Show(HubRefusal.Cleaned(value.GetString()!)));
    }

    private static JsonElement? Find(JsonElement element, string key) =>
        element.ValueKind == JsonValueKind.Object && element.TryGetProperty(key, out JsonElement value) ? value : null;
}
