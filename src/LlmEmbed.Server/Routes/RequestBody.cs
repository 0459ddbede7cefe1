using System.Buffers;
using System.ComponentModel.DataAnnotations;
using System.Text.Json;
using System.Text.Json.Serialization.Metadata;
using LlmEmbed.Server.Json;
using LlmEmbed.Server.Problems;
using Microsoft.AspNetCore.Http;
using Microsoft.Net.Http.Headers;

namespace LlmEmbed.Server.Routes;

/// <summary>The body of a request, held until it has been read as JSON.</summary>
internal sealed class RequestBody : IDisposable
{
    private const int FirstBytes = 16 * 1024;

    private byte[] _bytes = ArrayPool<byte>.Shared.Rent(FirstBytes);
    private int _length;

    private ReadOnlySpan<byte> Bytes => _bytes.AsSpan(0, _length);

    /// <summary>Takes in the whole body first: a list that is read again with each part that arrives costs the square of its length.</summary>
    public static async Task<RequestBody> ReceiveAsync(HttpContext context)
    {
        RequireJson(context.Request);
        RequestBody body = new();
        try
        {
            while (await context.Request.Body.ReadAsync(body._bytes.AsMemory(body._length), context.RequestAborted) is > 0 and int count)
            {
                body._length += count;
                if (body._length == body._bytes.Length) body.Grow();
            }
            return body;
        }
        catch
        {
            body.Dispose();
            throw;
        }
    }

    /// <exception cref="ProblemException">It is not what a route reads.</exception>
    public T As<T>(JsonTypeInfo<T> type)
        where T : class
    {
        try
        {
            ReadOnlySpan<byte> bytes = Bytes.StartsWith("\ufeff"u8) ? Bytes[3..] : Bytes;
            T value = JsonSerializer.Deserialize(bytes, type) ?? throw new ShapeException("expected an object");
            RequireFields(value, type);
            return value;
        }
        catch (JsonException exception)
        {
            throw new ProblemException(ProblemOf(exception, type), exception);
        }
    }

    public void Dispose()
    {
        if (_bytes.Length > 0) ArrayPool<byte>.Shared.Return(_bytes, clearArray: true); // the next renter has no business with these texts
        _bytes = [];
        _length = 0;
    }

    /// <summary>
    /// JSON must be called JSON: a page of another site may send a body to this address without asking first, unless the body is of a kind that only
    /// programs send.
    /// </summary>
    private static void RequireJson(HttpRequest request)
    {
        if (MediaTypeHeaderValue.TryParse(request.ContentType, out MediaTypeHeaderValue? type)
            && (type.MediaType.Equals("application/json", StringComparison.OrdinalIgnoreCase)
                || (type.Type.Equals("application", StringComparison.OrdinalIgnoreCase)
                    && type.Suffix.Equals("json", StringComparison.OrdinalIgnoreCase)))
            && (!type.Charset.HasValue || HeaderUtilities.RemoveQuotes(type.Charset).Equals("utf-8", StringComparison.OrdinalIgnoreCase)))
        {
            return;
        }
        throw new ProblemException(
            StatusCodes.Status415UnsupportedMediaType,
            ProblemType.Validation,
            "The body is not said to be JSON in UTF-8. Send the header 'Content-Type: application/json'.");
    }

    private static void RequireFields<T>(T value, JsonTypeInfo<T> type)
        where T : class
    {
        foreach (JsonPropertyInfo property in type.Properties)
        {
            bool isRequired = property.AttributeProvider?.IsDefined(typeof(RequiredAttribute), inherit: false) == true;
            if (!isRequired || property.Get!(value) is not null) continue;
            throw new ProblemException(
                StatusCodes.Status422UnprocessableEntity, ProblemType.Validation, $"'{property.Name}' is missing.", property.Name);
        }
    }

    private void Grow()
    {
        byte[] larger = ArrayPool<byte>.Shared.Rent(2 * _bytes.Length);
        Bytes.CopyTo(larger);
        ArrayPool<byte>.Shared.Return(_bytes, clearArray: true);
        _bytes = larger;
    }

    /// <summary>Which field is wrong and what was expected. The exception's own message may quote the body, so it is not passed on.</summary>
    private Problem ProblemOf<T>(JsonException exception, JsonTypeInfo<T> type)
    {
        if (SyntaxError() is { } syntax) return new Problem(StatusCodes.Status400BadRequest, ProblemType.Validation, syntax);
        string place = exception.LineNumber is long line ? $" (line {line + 1}, byte {exception.BytePositionInLine + 1})" : "";
        JsonPropertyInfo? property = type.Properties.FirstOrDefault(property => IsAt(exception.Path, property.Name));
        string expected = exception is ShapeException shape ? shape.Message : ExpectedOf(property);
        string what = property is null ? "The body is not what this route reads" : $"'{property.Name}' is not what this route reads";
        return new Problem(StatusCodes.Status422UnprocessableEntity, ProblemType.Validation, $"{what}{place}: {expected}.")
        { Param = property?.Name };
    }

    private static bool IsAt(string? path, string name) =>
        path is not null && path.StartsWith($"$.{name}", StringComparison.Ordinal)
            && (path.Length == name.Length + 2 || path[name.Length + 2] is '.' or '[');

    private static string ExpectedOf(JsonPropertyInfo? property) => property?.PropertyType switch
    {
        null => "expected an object in which each field stands once, as /openapi/v1.json describes it",
        { } type when type == typeof(bool) || type == typeof(bool?) => "expected true or false, once",
        { } type when type == typeof(int?) => "expected a whole number, once",
        { } type when type == typeof(string) => "expected a text, once",
        _ => "expected an object of which each field stands once, as /openapi/v1.json describes it",
    };

    /// <returns>Null if the body is well-formed JSON.</returns>
    private string? SyntaxError()
    {
        if (_length == 0) return "The body is empty, expected JSON.";
        try
        {
            Utf8JsonReader reader = new(Bytes.StartsWith("\ufeff"u8) ? Bytes[3..] : Bytes, new JsonReaderOptions { MaxDepth = ServerJson.MaxDepth });
            while (reader.Read()) { }
            return null;
        }
        catch (JsonException exception)
        {
            (long? line, long? place) = (exception.LineNumber + 1, exception.BytePositionInLine + 1);
            return $"The body is no JSON of at most {ServerJson.MaxDepth} levels: line {line}, byte {place}.";
        }
    }
}
