using System.Text.Json;

namespace LlmEmbed.Files;

/// <summary>JSON of a file that anyone may have written: names are unique and every string is Unicode, so that reading one later cannot fail.</summary>
internal static class StrictJson
{
    /// <exception cref="JsonException">The bytes are anything else.</exception>
    public static JsonElement Parse(byte[] utf8)
    {
        try
        {
            Utf8JsonReader reader = new(utf8);
            while (reader.Read())
                if (reader.TokenType is JsonTokenType.PropertyName or JsonTokenType.String) reader.GetString();
            using JsonDocument document = JsonDocument.Parse(utf8, new JsonDocumentOptions { AllowDuplicateProperties = false });
            return document.RootElement.Clone();
        }
        catch (InvalidOperationException exception)
        {
            throw new JsonException(exception.Message, exception);
        }
    }

    /// <summary>What is wrong and where, lines counted from 1; .NET's own message counts them from 0.</summary>
    public static string Describe(JsonException exception)
    {
        string problem = exception.Message.Split([" Path: ", " LineNumber: "], StringSplitOptions.None)[0].TrimEnd('.');
        string key = exception.Path is { Length: > 1 } path ? $" at {path}" : "";
        string line = exception.LineNumber is long number ? $" in line {number + 1}" : "";
        return problem + key + line + ".";
    }
}
