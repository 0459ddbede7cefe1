using System.Net;

namespace LlmEmbed.Hub;

/// <summary>An answer other than the one that was asked for: whether it may pass, and what it means to the user.</summary>
internal sealed class HubRefusal(HubQuestion question, HttpResponseMessage answer, string body) : Exception
{
    private const string BadToken = "Invalid credentials in Authorization header", Disabled = "Access to this resource is disabled.";

    private readonly string? _code = Header(answer, "X-Error-Code");
    private readonly string? _said = Header(answer, "X-Error-Message");
    private readonly string _host = HostOf(question, answer);
    private readonly string? _request = new[] { "x-request-id", "X-Amzn-Trace-Id", "x-amz-cf-id" }
        .Select(name => Header(answer, name)).FirstOrDefault(id => id is not null);

    private readonly HttpStatusCode _status = answer.StatusCode;
    private readonly bool _isPage = answer.Content.Headers.ContentType?.MediaType == "text/html";

    /// <summary>Whether the same question may be answered later.</summary>
    public bool MayPass => (int)_status is 408 or 429 or 500 or 502 or 503 or 504;

    /// <summary>How long to wait, if the answer says so.</summary>
    public TimeSpan? Wait { get; } = WaitOf(answer);

    /// <summary>The answer comes from something else than the Hub.</summary>
    public static LlmEmbedException NoHub(HubQuestion question, HttpResponseMessage answer, string problem, Exception? cause) => new(
        $"{question.Name.Id}: {question.What} cannot be fetched from {HostOf(question, answer)}: {problem} (status {(int)answer.StatusCode}). " +
        "A proxy may " +
        "have answered in place of the Hub; check HF_ENDPOINT and HTTPS_PROXY.",
        cause);

    public static LlmEmbedException Unreachable(HubQuestion question, HubEnvironment environment, Exception cause) => new(
        $"{question.Name.Id} is not complete in the cache, and {environment.Endpoint} cannot be reached: " +
        $"{(cause.InnerException ?? cause).Message.TrimEnd('.')}. " +
        "Check the network and HTTPS_PROXY, or name a local folder.",
        cause);

    public static LlmEmbedException Cut(HubQuestion question, long bytes, long size) => new(
        $"{question.Name.Id}: {question.What} ends after {bytes:N0} of {size:N0} bytes, again and again. " +
        "What came is kept; run the command again to go on.");

    public static LlmEmbedException Elsewhere(HubQuestion question, Uri from, Uri next) => new(
        $"{question.Name.Id}: {from.Host} sends the question for {question.What} on to {next.Scheme}://{next.Authority}, " +
        "which is not the Hub. It was not asked.");

    public static LlmEmbedException Circle(HubQuestion question, Uri address, int hops) => new(
        $"{question.Name.Id}: {question.What} was sent on more than {hops} times, at last to {address.Host}.");

    public LlmEmbedException ToError(HubEnvironment environment)
    {
        string id = question.Name.Id, token = environment.Token is null ? "no token was sent" : $"the token from {environment.TokenSource} was sent";
        string message = _code switch
        {
            "RevisionNotFound" => $"{id} has no revision '{question.Name.Revision}' on {_host}.",
            "EntryNotFound" => $"{id} has no file '{question.What}' at this revision.",
            "GatedRepo" => $"{id} is gated: accept its terms at {environment.Endpoint}/{id}, then set {HubEnvironment.TokenVariable} ({token}).",
            "RepoNotFound" => NotFound(id, token),
            _ when _said == Disabled => $"{id}: {Disabled}",
            _ when _status == HttpStatusCode.Unauthorized && Says(BadToken) => environment.Token is null
                ? $"{id}: {_host} says '{BadToken}', though no token was sent."
                : $"{id}: {_host} does not accept the token from {environment.TokenSource}. Replace it or remove it.",
            _ when _status is HttpStatusCode.Unauthorized or HttpStatusCode.NotFound => NotFound(id, token),
            _ when _status == HttpStatusCode.Forbidden => $"{id}: {_host} refuses {question.What}: {_said ?? "no reason given"} ({token}).",
            _ when _status == HttpStatusCode.TooManyRequests =>
                $"{id}: {_host} has had too many requests from here." +
                (environment.Token is null ? $" Set {HubEnvironment.TokenVariable} for a larger quota, or try later." : " Try later."),
            _ => $"{id}: {_host} answers {(int)_status} to {question.What}{(_isPage ? " with a web page, so it may be a proxy" : "")}" +
                $"{(_said is null ? "" : $": {_said.TrimEnd('.')}")}.",
        };
        return new LlmEmbedException(_request is null ? message : $"{message} Request id: {_request}.", this);
    }

    private string NotFound(string id, string token) => $"{id} was not found on {_host}, or is private ({token}). Check the name.";

    private bool Says(string words) => _said?.Contains(words, StringComparison.Ordinal) == true || body.Contains(words, StringComparison.Ordinal);

    /// <summary><c>ratelimit: "api";r=0;t=55</c> counts if nothing remains; else <c>Retry-After</c> in seconds. One second more.</summary>
    private static TimeSpan? WaitOf(HttpResponseMessage answer)
    {
        const int Longest = 600;
        string[] limit = Header(answer, "ratelimit")?.Split(';') ?? [];
        string? seconds = limit.Contains("r=0") ? limit.FirstOrDefault(part => part.StartsWith("t=", StringComparison.Ordinal))?[2..] : null;
        return int.TryParse(seconds ?? Header(answer, "Retry-After"), out int wait) && wait is >= 0 and <= Longest
            ? TimeSpan.FromSeconds(wait + 1) : null;
    }

    private static string HostOf(HubQuestion question, HttpResponseMessage answer) =>
        (answer.RequestMessage?.RequestUri ?? question.Address).Authority;

    private static string? Header(HttpResponseMessage answer, string name) =>
        answer.Headers.TryGetValues(name, out IEnumerable<string>? values) && string.Join(", ", values) is { Length: > 0 } value
            ? Cleaned(value) : null;

    /// <summary>The beginning of a text from elsewhere, without what a terminal could take for a command.</summary>
    public static string Cleaned(string text) => new([.. text.Where(character => !char.IsControl(character)).Take(500)]);
}
