using System.Globalization;
using System.Text.Json.Nodes;
using YamlDotNet.Core;
using YamlDotNet.RepresentationModel;

namespace LlmEmbed.Tests.Jobs;

/// <summary>Reads YAML as kubectl does: with a reader that is not ours, into the JSON that is sent to the cluster.</summary>
internal static class YamlText
{
    public static JsonNode? Read(string yaml)
    {
        YamlStream stream = [];
        stream.Load(new StringReader(yaml));
        return JsonNode.Parse(ToJson(stream.Documents.Single().RootNode)?.ToJsonString() ?? "null");
    }

    private static JsonNode? ToJson(YamlNode node) => node switch
    {
        YamlMappingNode map => new JsonObject(map.Select(pair => KeyValuePair.Create(((YamlScalarNode)pair.Key).Value!, ToJson(pair.Value)))),
        YamlSequenceNode list => new JsonArray([.. list.Select(ToJson)]),
        YamlScalarNode { Style: ScalarStyle.Plain } scalar => Plain(scalar.Value!),
        YamlScalarNode scalar => JsonValue.Create(scalar.Value),
        _ => throw new InvalidOperationException($"{node.NodeType} is not expected."),
    };

    /// <summary>Any version of YAML: what the oldest takes for a truth value is one.</summary>
    private static JsonNode? Plain(string text) =>
        text.ToUpperInvariant() is "" or "~" or "NULL" ? null
        : text.ToUpperInvariant() is "TRUE" or "YES" or "ON" or "Y" ? true
        : text.ToUpperInvariant() is "FALSE" or "NO" or "OFF" or "N" ? false
        : long.TryParse(text, NumberStyles.AllowLeadingSign, CultureInfo.InvariantCulture, out long number) ? number
        : double.TryParse(text, NumberStyles.Float, CultureInfo.InvariantCulture, out double real) ? real
        : text;
}
