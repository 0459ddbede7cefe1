using System.Text;
using System.Text.Encodings.Web;
using System.Text.Json;
using System.Text.Json.Nodes;
using System.Text.RegularExpressions;

namespace LlmEmbed.Jobs;

/// <summary>
/// Writes a JSON value as YAML that people read: blocks, a line for each value, and lists of plain values on one line. A text stands without quotes
/// only where no version of YAML could take it for anything else; quoted, it is as in JSON, which every version of YAML reads.
/// </summary>
internal static partial class Yaml
{
    private static readonly JsonSerializerOptions Quoted = new() { Encoder = JavaScriptEncoder.UnsafeRelaxedJsonEscaping };

    public static string Write(JsonObject value)
    {
        StringBuilder text = new();
        Append(text, value, indent: 0);
        return text.ToString();
    }

    private static void Append(StringBuilder text, JsonObject map, int indent)
    {
        bool isFirst = true;
        foreach ((string key, JsonNode? value) in map)
        {
            // The first key of a map in a list stands behind the hyphen.
            if (!isFirst || text is [] or [.., '\n']) text.Append(' ', indent);
            isFirst = false;
            text.Append(Scalar(JsonValue.Create(key))).Append(':');
            AppendValue(text, value, indent + 2);
        }
    }

    private static void AppendValue(StringBuilder text, JsonNode? value, int indent)
    {
        if (value is JsonObject { Count: > 0 } map)
        {
            text.Append('\n');
            Append(text, map, indent);
        }
        else if (value is JsonArray list && list.Any(item => item is JsonObject))
        {
            text.Append('\n');
            foreach (JsonNode? item in list)
            {
                text.Append(' ', indent - 2).Append("- ");
                Append(text, item!.AsObject(), indent);
            }
        }
        else
        {
            text.Append(' ').Append(Scalar(value)).Append('\n');
        }
    }

    /// <summary>A value on one line.</summary>
    private static string Scalar(JsonNode? value) => value switch
    {
        JsonArray list => $"[{string.Join(", ", list.Select(Scalar))}]",
        JsonValue word when word.GetValueKind() == JsonValueKind.String && IsPlain(word.GetValue<string>()) => word.GetValue<string>(),
        null => "null",
        _ => value.ToJsonString(Quoted),
    };

    private static bool IsPlain(string text) => PlainText().IsMatch(text) && !MeansSomething().IsMatch(text);

    [GeneratedRegex("^(--)?[A-Za-z/][A-Za-z0-9_./-]*$", RegexOptions.ExplicitCapture, matchTimeoutMilliseconds: 1000)]
    private static partial Regex PlainText();

    /// <summary>What some version of YAML takes for true, false, nothing or a number.</summary>
    [GeneratedRegex("^(true|false|yes|no|on|off|y|n|null)$", RegexOptions.IgnoreCase | RegexOptions.ExplicitCapture, matchTimeoutMilliseconds: 1000)]
    private static partial Regex MeansSomething();
}
