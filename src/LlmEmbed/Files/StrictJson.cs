using System.Text.Json;
using System.Text.Unicode;

namespace LlmEmbed.Files;

/// <summary>
/// JSON of a file that anyone may have written. All of it is checked to be Unicode while it is parsed, so that reading a string later cannot fail.
/// </summary>
internal static class StrictJson
{
    /// <summary>Parses JSON in which no object has a name twice.</summary>
    /// <exception cref="JsonException">The bytes are anything else.</exception>
    public static JsonElement Parse(ReadOnlySpan<byte> utf8)
    {
        RequireUnicode(utf8);
        return JsonElement.Parse(utf8, new JsonDocumentOptions { AllowDuplicateProperties = false });
    }

    /// <summary>Parses JSON whose reader looks for repeated names itself, as <see cref="JsonSection"/> does.</summary>
    /// <exception cref="JsonException">The bytes are not JSON, or a string is not Unicode.</exception>
    public static JsonElement ParseWithRepeatedNames(ReadOnlyMemory<byte> utf8)
    {
        RequireUnicode(utf8.Span);
        // Unlike JsonElement.Parse, this does not copy the bytes. A document that is never disposed only keeps its memory from a pool.
        return JsonDocument.Parse(utf8).RootElement;
    }

    /// <summary>What is wrong and where, with lines counted from 1. .NET's own message counts them from 0.</summary>
    public static string Describe(JsonException exception)
    {
        string problem = exception.Message.Split([" Path: ", " LineNumber: "], StringSplitOptions.None)[0].TrimEnd('.');
        string key = exception.Path is { Length: > 1 } path ? $" at {path}" : "";
        string line = exception.LineNumber is long number ? $" in line {number + 1}" : "";
        return problem + key + line + ".";
    }

    private static void RequireUnicode(ReadOnlySpan<byte> utf8)
    {
        const string Problem = "a string is not valid Unicode";
        if (!Utf8.IsValid(utf8)) throw new JsonException(Problem);
        if (!MayHoldSurrogate(utf8, "\\ud"u8) && !MayHoldSurrogate(utf8, "\\uD"u8)) return;
        try
        {
            Utf8JsonReader reader = new(utf8);
            while (reader.Read())
                if (reader.ValueIsEscaped) reader.GetString();
        }
        catch (InvalidOperationException exception)
        {
            throw new JsonException(Problem, exception);
        }
    }

    /// <summary>
    /// Whether an escape such as \ud83d may be there. In valid UTF-8, half of a surrogate pair can only be written so. A vocabulary may hold the
    /// beginning of an escape as text, so the digit behind it is looked at too.
    /// </summary>
    private static bool MayHoldSurrogate(ReadOnlySpan<byte> utf8, ReadOnlySpan<byte> beginning)
    {
        for (int at; (at = utf8.IndexOf(beginning)) >= 0; utf8 = utf8[(at + beginning.Length)..])
        {
            ReadOnlySpan<byte> rest = utf8[(at + beginning.Length)..];
            if (rest is [(>= (byte)'8' and <= (byte)'9') or (>= (byte)'a' and <= (byte)'f') or (>= (byte)'A' and <= (byte)'F'), ..]) return true;
        }
        return false;
    }
}
