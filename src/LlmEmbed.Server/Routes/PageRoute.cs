using System.Security.Cryptography;
using System.Text;
using System.Text.RegularExpressions;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.Routing;

namespace LlmEmbed.Server.Routes;

/// <summary>The page on which a person tries the models: one file, which loads nothing from elsewhere.</summary>
internal static partial class PageRoute
{
    private static readonly byte[] Html = Read();

    /// <summary>Only the script and the styles of the file itself run, recognized by their hashes, and they reach this server only.</summary>
    private static readonly string Policy =
        $"default-src 'none'; script-src {HashesOf(Script())}; style-src {HashesOf(Style())}; connect-src 'self'; img-src data:; base-uri 'none'; " +
        "form-action 'none'; frame-ancestors 'none'";

    public static void Map(IEndpointRouteBuilder routes) => routes.MapGet("/", async Task (HttpContext context) =>
    {
        HttpResponse response = context.Response;
        response.ContentType = "text/html; charset=utf-8";
        response.Headers.ContentSecurityPolicy = Policy;
        response.Headers.XContentTypeOptions = "nosniff";
        response.Headers["Referrer-Policy"] = "no-referrer";
        response.Headers.CacheControl = "no-cache";
        await response.Body.WriteAsync(Html, context.RequestAborted);
    }).WithMetadata(new OpenToAll());

    private static byte[] Read()
    {
        using Stream stream = typeof(PageRoute).Assembly.GetManifestResourceStream("LlmEmbed.Server.Page.index.html")!;
        using MemoryStream copy = new();
        stream.CopyTo(copy);
        return copy.ToArray();
    }

    private static string HashesOf(Regex element) => string.Join(' ', element.Matches(Encoding.UTF8.GetString(Html)).Select(
        match => $"'sha256-{Convert.ToBase64String(SHA256.HashData(Encoding.UTF8.GetBytes(match.Groups["content"].Value)))}'"));

    [GeneratedRegex("<script>(?<content>.*?)</script>", RegexOptions.Singleline | RegexOptions.ExplicitCapture, matchTimeoutMilliseconds: 5000)]
    private static partial Regex Script();

    [GeneratedRegex("<style>(?<content>.*?)</style>", RegexOptions.Singleline | RegexOptions.ExplicitCapture, matchTimeoutMilliseconds: 5000)]
    private static partial Regex Style();
}
