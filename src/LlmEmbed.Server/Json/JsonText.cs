using System.Buffers;
using System.Globalization;
using System.Text;
using System.Text.Json;

namespace LlmEmbed.Server.Json;

/// <summary>
/// Reads a text of a body. What JSON may escape but UTF-16 may not hold alone (half of a surrogate pair) becomes U+FFFD, as in the tokenizers.
/// </summary>
internal static class JsonText
{
    /// <exception cref="ShapeException">The bytes are no UTF-8.</exception>
    public static string Read(ref Utf8JsonReader reader)
    {
        try
        {
            return reader.GetString()!;
        }
        catch (InvalidOperationException)
        {
            byte[] raw = reader.HasValueSequence ? reader.ValueSequence.ToArray() : reader.ValueSpan.ToArray();
            return Unescape(raw);
        }
    }

    /// <param name="raw">What stands between the quotes; its escapes are well-formed, as the reader has seen to.</param>
    private static string Unescape(byte[] raw)
    {
        string escaped;
        try
        {
            escaped = new UTF8Encoding(encoderShouldEmitUTF8Identifier: false, throwOnInvalidBytes: true).GetString(raw);
        }
        catch (ArgumentException)
        {
            throw new ShapeException("it is not UTF-8");
        }
        StringBuilder text = new(escaped.Length);
        for (int i = 0; i < escaped.Length; i++)
        {
            if (escaped[i] != '\\')
            {
                text.Append(escaped[i]);
                continue;
            }
            char kind = escaped[++i];
            if (kind == 'u')
            {
                text.Append((char)int.Parse(escaped.AsSpan(i + 1, 4), NumberStyles.AllowHexSpecifier, CultureInfo.InvariantCulture));
                i += 4;
            }
            else
            {
                text.Append(kind switch { 'n' => '\n', 't' => '\t', 'r' => '\r', 'b' => '\b', 'f' => '\f', _ => kind });
            }
        }
        return WithoutLoneSurrogates(text);
    }

    private static string WithoutLoneSurrogates(StringBuilder text)
    {
        for (int i = 0; i < text.Length; i++)
        {
            if (!char.IsSurrogate(text[i])) continue;
            if (char.IsHighSurrogate(text[i]) && i + 1 < text.Length && char.IsLowSurrogate(text[i + 1])) i++;
            else text[i] = '\ufffd';
        }
        return text.ToString();
    }
}

/// <summary>A value is not of the shape that a route reads. The message says what was expected, as the end of a sentence.</summary>
internal sealed class ShapeException(string message) : JsonException(message);
