using System.Collections.Concurrent;
using System.IO.Compression;
using System.Net;
using System.Net.Http.Headers;
using System.Net.Sockets;
using System.Text.Json;
using LlmEmbed.Files;

namespace LlmEmbed.Hub;

/// <summary>
/// Asks the Hub: follows its redirects, gives the token to its hosts alone, repeats what may pass, and goes on where a download was cut.
/// </summary>
internal sealed class HubClient : IDisposable
{
    private const int MostRedirects = 10, MostRepeats = 5, RepeatsWithoutConnection = 2, BufferBytes = 1 << 17, MostAnswerBytes = 64 << 20;
    private const double LongestPauseSeconds = 8;
    private const string Identity = "identity", Gzip = "gzip";

    private readonly HubEnvironment _environment;
    private readonly HttpClient _http;
    private readonly Action<string>? _warn;
    private readonly ConcurrentDictionary<string, bool> _warned = new(StringComparer.OrdinalIgnoreCase);

    /// <param name="environment">Where the Hub is and who asks.</param>
    /// <param name="warn">Told what the Hub has to say to the user, each topic once.</param>
    public HubClient(HubEnvironment environment, Action<string>? warn = null)
    {
        if (environment.WhyOffline is string reason) throw new InvalidOperationException($"No client may be made: {reason}.");
        (_environment, _warn) = (environment, warn);
        // Cookies would be sent back, and a redirect that the handler follows would be followed without a look at its host.
        SocketsHttpHandler handler = new() { AllowAutoRedirect = false, UseCookies = false, ConnectTimeout = environment.AnswerTime };
        _http = new HttpClient(handler) { Timeout = Timeout.InfiniteTimeSpan };
        string version = typeof(HubClient).Assembly.GetName().Version?.ToString(3) ?? "0";
        string agent = $"llmembed/{version}; dotnet/{Environment.Version}{(environment.AgentOrigin is string origin ? $"; {origin}" : "")}";
        _http.DefaultRequestHeaders.TryAddWithoutValidation("User-Agent", agent);
        // A compressed answer has no length and cannot be continued.
        _http.DefaultRequestHeaders.TryAddWithoutValidation("Accept-Encoding", Identity);
    }

    public void Dispose() => _http.Dispose();

    /// <summary>An address of the Hub or the mirror.</summary>
    public Uri Address(string path) => new($"{_environment.Endpoint}/{path}");

    /// <summary>The JSON at an address and the address of the next page, if there is one.</summary>
    public Task<(JsonElement Value, Uri? Next)> JsonAsync(HubQuestion question, CancellationToken cancellationToken) =>
        RepeatAsync(question, async () =>
        {
            using HttpResponseMessage answer = await AskAsync(question, range: null, cancellationToken);
            if (!answer.IsSuccessStatusCode) throw new HubRefusal(question, answer, await TextAsync(answer, cancellationToken));
            byte[] bytes = await BytesAsync(answer, cancellationToken);
            try
            {
                return (StrictJson.Parse(bytes), NextPage(question, answer));
            }
            catch (JsonException exception)
            {
                throw HubRefusal.NoHub(question, answer, "the answer is not JSON", exception);
            }
        }, cancellationToken);

    /// <summary>The first bytes of a file; all of them if it has fewer.</summary>
    public Task<byte[]> BeginningAsync(HubQuestion question, int count, CancellationToken cancellationToken) => RepeatAsync(question, async () =>
    {
        using HttpResponseMessage answer = await AskAsync(question, new RangeHeaderValue(0, count - 1), cancellationToken);
        if (!answer.IsSuccessStatusCode) throw new HubRefusal(question, answer, await TextAsync(answer, cancellationToken));
        await using Stream content = await ContentAsync(answer, cancellationToken);
        byte[] bytes = new byte[count];
        int filled = 0;
        for (int read = 1; read > 0 && filled < count; filled += read)
            read = await InTimeAsync(_environment.IdleTime, token => content.ReadAsync(bytes.AsMemory(filled), token).AsTask(), cancellationToken);
        return bytes[..filled];
    }, cancellationToken);

    /// <summary>Brings a file to its whole length. What it holds already is the beginning; its hash is the caller's to check.</summary>
    /// <param name="question">The file's address.</param>
    /// <param name="path">The file on disk, which may hold the first bytes.</param>
    /// <param name="size">The bytes of the whole file.</param>
    /// <param name="arrived">Told the bytes that are there; it falls where the file starts over.</param>
    /// <param name="cancellationToken">Stops it; the bytes stay.</param>
    public async Task DownloadAsync(HubQuestion question, string path, long size, Action<long> arrived, CancellationToken cancellationToken)
    {
        int vain = 0;
        for (long most = -1; ;)
        {
            long length = File.Exists(path) ? new FileInfo(path).Length : 0;
            if (length >= size && most >= 0) return;
            // Any new byte gives back all attempts.
            vain = length > most ? 0 : vain + 1;
            if (vain > MostRepeats) throw HubRefusal.Cut(question, length, size);
            if (vain > 0) await _environment.Wait(TimeSpan.FromSeconds(1), cancellationToken);
            most = Math.Max(most, length);
            await RepeatAsync(question, () => AppendAsync(question, path, size, arrived, cancellationToken), cancellationToken);
        }
    }

    /// <summary>Asks for the bytes that are missing and writes those that come; false if the connection was cut.</summary>
    private async Task<bool> AppendAsync(
        HubQuestion question, string path, long size, Action<long> arrived, CancellationToken cancellationToken)
    {
        await using FileStream file = Opened(path);
        if (file.Length > size) file.SetLength(0);
        if (file.Length == size) return true;
        file.Seek(0, SeekOrigin.End);
        RangeHeaderValue? rest = file.Length > 0 ? new RangeHeaderValue(file.Length, null) : null;
        using HttpResponseMessage answer = await AskAsync(question, rest, cancellationToken);
        if (answer.StatusCode == HttpStatusCode.RequestedRangeNotSatisfiable && file.Length > 0)
        {
            file.SetLength(0);
            return false;
        }
        if (!answer.IsSuccessStatusCode) throw new HubRefusal(question, answer, await TextAsync(answer, cancellationToken));
        if (answer.Content.Headers.ContentType?.MediaType == "text/html" && !question.What.EndsWith(".html", StringComparison.Ordinal))
            throw HubRefusal.NoHub(question, answer, "the answer is a web page", cause: null);
        bool continues = answer.StatusCode == HttpStatusCode.PartialContent && answer.Content.Headers.ContentRange?.From == file.Length;
        if (!continues) file.SetLength(0); // a range that was not obeyed: these are the first bytes
        if (answer.StatusCode == HttpStatusCode.PartialContent && !continues) return false;
        return await CopyAsync(answer, file, size, arrived, cancellationToken);
    }

    private async Task<bool> CopyAsync(
        HttpResponseMessage answer, FileStream file, long size, Action<long> arrived, CancellationToken cancellationToken)
    {
        byte[] buffer = new byte[BufferBytes];
        try
        {
            await using Stream content = await ContentAsync(answer, cancellationToken);
            while (true)
            {
                int read = await InTimeAsync(_environment.IdleTime, token => content.ReadAsync(buffer, token).AsTask(), cancellationToken);
                if (read == 0) return true;
                Write(file, buffer.AsSpan(0, read));
                arrived(file.Length);
                if (file.Length > size) return true; // too long: the caller's check fails
            }
        }
        catch (Exception exception) when (IsOfConnection(exception) || exception is InvalidDataException)
        {
            // Unpacked bytes say nothing of where to go on.
            if (answer.Content.Headers.ContentEncoding.Contains(Gzip)) file.SetLength(0);
            return false;
        }
    }

    /// <summary>Repeats on answers and failures that may pass, and waits as the answer says.</summary>
    private async Task<T> RepeatAsync<T>(HubQuestion question, Func<Task<T>> attempt, CancellationToken cancellationToken)
    {
        double pause = 1;
        for (int repeats = 0; ; repeats++)
        {
            TimeSpan wait = TimeSpan.FromSeconds(pause);
            try
            {
                return await attempt();
            }
            catch (HubRefusal refusal) when (refusal.MayPass)
            {
                if (repeats >= MostRepeats) throw refusal.ToError(_environment);
                wait = refusal.Wait ?? wait;
            }
            catch (HubRefusal refusal)
            {
                throw refusal.ToError(_environment);
            }
            catch (Exception exception) when (IsOfConnection(exception))
            {
                bool none = exception is HttpRequestException
                { HttpRequestError: HttpRequestError.NameResolutionError or HttpRequestError.ConnectionError };
                if (repeats >= (none ? RepeatsWithoutConnection : MostRepeats)) throw HubRefusal.Unreachable(question, _environment, exception);
            }
            await _environment.Wait(wait, cancellationToken);
            pause = Math.Min(pause * 2, LongestPauseSeconds);
        }
    }

    /// <summary>Sends one question and follows the redirects of its answer.</summary>
    private async Task<HttpResponseMessage> AskAsync(HubQuestion question, RangeHeaderValue? range, CancellationToken cancellationToken)
    {
        Uri address = question.Address;
        for (int hops = 0; hops <= MostRedirects; hops++)
        {
            using HttpRequestMessage request = new(HttpMethod.Get, address);
            if (_environment.Token is string token && IsHub(address)) request.Headers.Authorization = new AuthenticationHeaderValue("Bearer", token);
            request.Headers.Range = range;
            HttpResponseMessage answer = await InTimeAsync(
                _environment.AnswerTime,
                limited => _http.SendAsync(request, HttpCompletionOption.ResponseHeadersRead, limited),
                cancellationToken);
            if (IsHub(address)) Warn(answer);
            if ((int)answer.StatusCode is not (301 or 302 or 303 or 307 or 308) || answer.Headers.Location is not Uri location) return answer;
            answer.Dispose();
            Uri next = new(address, location);
            bool isAllowed = next.Scheme == Uri.UriSchemeHttps || (next.Scheme == Uri.UriSchemeHttp && address.Scheme == Uri.UriSchemeHttp);
            if (!isAllowed || (!question.IsContent && !IsHub(next))) throw HubRefusal.Elsewhere(question, address, next);
            address = next;
        }
        throw HubRefusal.Circle(question, address, MostRedirects);
    }

    /// <summary>Hands on what <c>X-HF-Warning: topic; message</c> says.</summary>
    private void Warn(HttpResponseMessage answer)
    {
        if (!answer.Headers.TryGetValues("X-HF-Warning", out IEnumerable<string>? warnings)) return;
        foreach (string[] parts in warnings.Select(warning => warning.Split(';', 2, StringSplitOptions.TrimEntries)))
            if (_warned.TryAdd(parts.Length > 1 ? parts[0] : "", true)) _warn?.Invoke($"The Hugging Face Hub says: {HubRefusal.Cleaned(parts[^1])}");
    }

    private Uri? NextPage(HubQuestion question, HttpResponseMessage answer)
    {
        if (!answer.Headers.TryGetValues("Link", out IEnumerable<string>? values)) return null;
        foreach (string link in values.SelectMany(value => value.Split(',')))
        {
            string[] parts = link.Split(';');
            if (!parts.Skip(1).Any(part => part.Trim() is "rel=\"next\"" or "rel=next")) continue;
            Uri next = new(question.Address, parts[0].Trim().TrimStart('<').TrimEnd('>'));
            // A mirror hands on what the Hub said, with the Hub's own address in it.
            return IsHub(next) ? new Uri(_environment.Endpoint + next.PathAndQuery) : throw HubRefusal.Elsewhere(question, question.Address, next);
        }
        return null;
    }

    private bool IsHub(Uri address) =>
        _environment.HubHosts.Append(_environment.Endpoint).Any(hub => new Uri(hub) is var known
            && known.Host == address.Host && known.Port == address.Port && known.Scheme == address.Scheme);

    private static async Task<Stream> ContentAsync(HttpResponseMessage answer, CancellationToken cancellationToken)
    {
        Stream content = await answer.Content.ReadAsStreamAsync(cancellationToken);
        return answer.Content.Headers.ContentEncoding.Contains(Gzip) ? new GZipStream(content, CompressionMode.Decompress) : content;
    }

    private async Task<byte[]> BytesAsync(HttpResponseMessage answer, CancellationToken cancellationToken)
    {
        await using Stream content = await ContentAsync(answer, cancellationToken);
        using MemoryStream all = new();
        byte[] buffer = new byte[BufferBytes];
        while (await InTimeAsync(_environment.IdleTime, token => content.ReadAsync(buffer, token).AsTask(), cancellationToken) is > 0 and int read)
        {
            all.Write(buffer, 0, read);
            if (all.Length > MostAnswerBytes)
                throw new LlmEmbedException($"An answer of {answer.RequestMessage?.RequestUri?.Host} is over 64 MiB long.");
        }
        return all.ToArray();
    }

    /// <summary>The body of a refusal, which only helps to understand it.</summary>
    private async Task<string> TextAsync(HttpResponseMessage answer, CancellationToken cancellationToken) =>
        System.Text.Encoding.UTF8.GetString(await BytesAsync(answer, cancellationToken));

    private static async Task<T> InTimeAsync<T>(TimeSpan limit, Func<CancellationToken, Task<T>> work, CancellationToken cancellationToken)
    {
        using CancellationTokenSource limited = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken);
        limited.CancelAfter(limit);
        try
        {
            return await work(limited.Token);
        }
        catch (OperationCanceledException exception) when (!cancellationToken.IsCancellationRequested)
        {
            throw new TimeoutException($"no byte came within {limit.TotalSeconds:0.##} s", exception);
        }
    }

    private static bool IsOfConnection(Exception exception) =>
        exception is HttpRequestException or TimeoutException or SocketException
        || (exception is IOException && exception is not FileNotFoundException);

    private static FileStream Opened(string path)
    {
        try
        {
            return new FileStream(path, FileMode.OpenOrCreate, FileAccess.ReadWrite, FileShare.Read, bufferSize: 0);
        }
        catch (Exception exception) when (exception is IOException or UnauthorizedAccessException)
        {
            throw FileProblem.In(path, $"the file cannot be written: {FileProblem.Describe(exception)}", exception);
        }
    }

    /// <summary>A full disk is no fault of the connection: nothing is repeated, and the bytes are given back.</summary>
    private static void Write(FileStream file, ReadOnlySpan<byte> bytes)
    {
        try
        {
            file.Write(bytes);
        }
        catch (IOException exception)
        {
            string path = file.Name;
            File.Delete(path);
            throw FileProblem.In(path, $"the file cannot be written: {FileProblem.Describe(exception)} Nothing of it was kept.", exception);
        }
    }
}

/// <summary>What is asked for.</summary>
/// <param name="Name">The repository.</param>
/// <param name="What">The file or the answer, for messages.</param>
/// <param name="Address">Where it is.</param>
/// <param name="IsContent">Whether it may come from any host, since its hash is known.</param>
internal sealed record HubQuestion(HubName Name, string What, Uri Address, bool IsContent = false);
