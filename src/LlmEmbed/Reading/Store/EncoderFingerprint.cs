using System.Security.Cryptography;
using System.Text;
using System.Text.Encodings.Web;
using System.Text.Json;

namespace LlmEmbed.Reading;

/// <summary>
/// Everything that decides what an encoder makes of a text, by name and in order: two encoders with equal fingerprints give equal embeddings.
/// </summary>
internal sealed record EncoderFingerprint
{
    private readonly string _json;

    /// <param name="facts">Names and values, e.g. the weights' SHA-256, the depths and the precision.</param>
    public EncoderFingerprint(params IEnumerable<(string Name, string Value)> facts)
    {
        // Readable characters and fixed line ends: the text is hashed and compared, on any system.
        JsonWriterOptions options = new() { Indented = true, NewLine = "\n", Encoder = JavaScriptEncoder.UnsafeRelaxedJsonEscaping };
        using MemoryStream stream = new();
        using (Utf8JsonWriter writer = new(stream, options))
        {
            writer.WriteStartObject();
            foreach ((string name, string value) in facts) writer.WriteString(name, value);
            writer.WriteEndObject();
        }
        _json = Encoding.UTF8.GetString(stream.ToArray()) + "\n";
        Sha256 = Convert.ToHexStringLower(SHA256.HashData(Encoding.UTF8.GetBytes(_json)));
    }

    /// <summary>SHA-256 of <see cref="ToJson"/> in hexadecimal.</summary>
    public string Sha256 { get; }

    /// <summary>The facts as a JSON object of strings.</summary>
    public string ToJson() => _json;
}
