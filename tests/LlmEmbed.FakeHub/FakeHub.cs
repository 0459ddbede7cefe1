using System.Collections.Concurrent;
using System.Diagnostics;
using System.Globalization;
using System.Net;
using System.Net.Sockets;
using System.Runtime.CompilerServices;
using System.Security.Cryptography;
using System.Text;
using System.Text.Json.Nodes;

namespace LlmEmbed.Tests.Hub;

/// <summary>
/// A Hub on this machine that answers as the real one does, counts what it is asked, and can be told to answer wrongly. It sees the bytes of
/// connections, so that it can cut one in the middle of an answer.
/// </summary>
public sealed class FakeHub : IDisposable
{
    public const string Id = "someone/tiny";
    public const string Commit = "0123456789abcdef0123456789abcdef01234567", OtherCommit = "89abcdef0123456789abcdef0123456789abcdef";

    private const int PieceBytes = 1 << 16;

    private static readonly ConditionalWeakTable<byte[], string> Hashes = [];

    private readonly TcpListener _listener = new(IPAddress.Loopback, 0);
    private readonly CancellationTokenSource _end = new();
    private long _contentBytesSent;
    private bool _isDisposed;

    public FakeHub()
    {
        Repositories[Id] = new(StringComparer.Ordinal)
        {
            ["config.json"] = "{\"model_type\":\"bert\"}"u8.ToArray(),
            ["vocab.txt"] = "[PAD]\n[UNK]\n"u8.ToArray(),
            ["model.safetensors"] = Bytes(100_000),
            ["1_Pooling/config.json"] = "{}"u8.ToArray(),
            ["pytorch_model.bin"] = [1, 2, 3],
        };
        _listener.Start();
        _ = AcceptAsync();
    }

    public string Endpoint => $"http://127.0.0.1:{((IPEndPoint)_listener.LocalEndpoint).Port}";

    /// <summary>The commit that the branch names now.</summary>
    public string Head { get; set; } = Commit;

    /// <summary>The files of each repository, at whatever commit.</summary>
    public Dictionary<string, Dictionary<string, byte[]>> Repositories { get; } = new(StringComparer.Ordinal);

    /// <summary>The files of the repository that most tests use.</summary>
    public Dictionary<string, byte[]> Files => Repositories[Id];

    /// <summary>What the Hub says of a model beside its name and commit.</summary>
    public JsonObject Facts { get; set; } = [];

    /// <summary>The most bytes of content that are sent in a second, on all connections of a file together.</summary>
    public long BytesPerSecond { get; set; } = long.MaxValue;

    /// <summary>The bytes of files that were sent. Headers and lists do not count.</summary>
    public long ContentBytesSent => Interlocked.Read(ref _contentBytesSent);

    /// <summary>Everything that was asked, in order.</summary>
    public ConcurrentQueue<FakeRequest> Requests { get; } = new();

    /// <summary>Answers in place of the usual answer, unless it gives null.</summary>
    public Func<FakeRequest, FakeAnswer?> Fault { get; set; } = _ => null;

    /// <summary>Holds a folder's files in place of the tiny ones.</summary>
    public void Serve(string folder, string id = Id) => Repositories[id] = Directory.GetFiles(folder, "*", SearchOption.AllDirectories).ToDictionary(
        file => Path.GetRelativePath(folder, file).Replace(Path.DirectorySeparatorChar, '/'), File.ReadAllBytes, StringComparer.Ordinal);

    public static byte[] Bytes(int count)
    {
        byte[] bytes = new byte[count];
        for (int index = 0; index < count; index++) bytes[index] = (byte)((index * 7) + (index >> 8));
        return bytes;
    }

    /// <summary>The name of a file's content: large files have SHA-256, others what git computes.</summary>
    public static string HashOf(string path, byte[] bytes)
    {
        if (IsLarge(path)) return Hashes.GetValue(bytes, content => Convert.ToHexStringLower(SHA256.HashData(content)));
        using IncrementalHash git = IncrementalHash.CreateHash(HashAlgorithmName.SHA1);
        git.AppendData(Encoding.ASCII.GetBytes($"blob {bytes.Length}\0"));
        git.AppendData(bytes);
        return Convert.ToHexStringLower(git.GetHashAndReset());
    }

    /// <summary>What the Hub answers if nothing goes wrong.</summary>
    public FakeAnswer Usual(FakeRequest request)
    {
        string[] parts = request.Path.Trim('/').Split('/');
        if (parts is ["api", "models", string apiOwner, string apiName, .. string[] rest])
        {
            string id = $"{apiOwner}/{apiName}";
            if (!Repositories.ContainsKey(id)) return Refusal("RepoNotFound");
            return rest switch
            {
                [] or ["revision", _] => FakeAnswer.Json(About(id)),
                ["tree", _] => FakeAnswer.Json(Listing(id)),
                ["paths-info", _] => FakeAnswer.Json(PathsInfo(id, request.Body)),
                _ => Refusal("EntryNotFound"),
            };
        }
        return parts is [string owner, string name, "resolve", _, .. string[] path]
            && Repositories.TryGetValue($"{owner}/{name}", out Dictionary<string, byte[]>? files)
            && files.TryGetValue(Uri.UnescapeDataString(string.Join('/', path)), out byte[]? bytes)
                ? FileAt(request, path[^1], bytes) : Refusal("EntryNotFound");
    }

    public JsonArray Listing(string id = Id) => new([.. Repositories[id].Select(file => (JsonNode)Entry(file.Key, file.Value)).Prepend(
        new JsonObject { ["type"] = "directory", ["path"] = "1_Pooling", ["oid"] = new string('b', 40), ["size"] = 0 })]);

    /// <summary>Bytes, or those that a range asks for.</summary>
    public static FakeAnswer Content(FakeRequest request, byte[] bytes)
    {
        if (request.RangeFrom is not int from) return new FakeAnswer(200, bytes) { IsContent = true };
        int end = Math.Min((request.RangeTo ?? int.MaxValue - 1) + 1, bytes.Length);
        return from >= bytes.Length
            ? new FakeAnswer(416, [])
            : new FakeAnswer(206, bytes[from..end]) { IsContent = true, Headers = { ["Content-Range"] = $"bytes {from}-{end - 1}/{bytes.Length}" } };
    }

    public void Dispose()
    {
        if (_isDisposed) return;
        _isDisposed = true;
        _end.Cancel();
        _listener.Dispose();
        _end.Dispose();
    }

    private static bool IsLarge(string path) => Path.GetExtension(path) is ".safetensors" or ".bin" or ".gguf";

    private static FakeAnswer Refusal(string code) => new(404, []) { Headers = { ["X-Error-Code"] = code } };

    private JsonObject About(string id)
    {
        JsonObject about = new() { ["id"] = id, ["_id"] = "1", ["sha"] = Head, ["private"] = false, ["gated"] = false };
        foreach ((string key, JsonNode? value) in Facts) about[key] = value?.DeepClone();
        return about;
    }

    private static JsonObject Entry(string path, byte[] bytes)
    {
        JsonObject entry = new()
        {
            ["type"] = "file",
            ["path"] = path,
            ["size"] = bytes.Length,
            ["oid"] = IsLarge(path) ? new string('a', 40) : HashOf(path, bytes),
        };
        if (IsLarge(path)) entry["lfs"] = new JsonObject { ["oid"] = HashOf(path, bytes), ["size"] = bytes.Length, ["pointerSize"] = 130 };
        return entry;
    }

    private JsonArray PathsInfo(string id, string body)
    {
        string[] paths = [.. JsonNode.Parse(body)!["paths"]!.AsArray().Select(path => (string)path!)];
        return new([.. paths.Where(Repositories[id].ContainsKey).Select(path =>
        {
            JsonObject entry = Entry(path, Repositories[id][path]);
            entry["lastCommit"] = new JsonObject { ["id"] = OtherCommit, ["title"] = "x", ["date"] = "2026-01-01T00:00:00.000Z" };
            return (JsonNode)entry;
        })]);
    }

    /// <summary>A file with the headers by which clients of the Hub know it.</summary>
    private FakeAnswer FileAt(FakeRequest request, string name, byte[] bytes)
    {
        FakeAnswer answer = Content(request, bytes);
        answer.Headers["X-Repo-Commit"] = Head;
        answer.Headers["ETag"] = $"\"{HashOf(name, bytes)}\"";
        if (!IsLarge(name)) return answer;
        answer.Headers["X-Linked-Etag"] = $"\"{HashOf(name, bytes)}\"";
        answer.Headers["X-Linked-Size"] = bytes.Length.ToString(CultureInfo.InvariantCulture);
        // As for files that the Hub also serves in chunks; a client that knows nothing of them is given the whole file.
        answer.Headers["X-Xet-Hash"] = HashOf(name, bytes);
        return answer;
    }

    private async Task AcceptAsync()
    {
        try
        {
            while (true) _ = ServeAsync(await _listener.AcceptTcpClientAsync(_end.Token));
        }
        catch (Exception exception) when (exception is OperationCanceledException or SocketException or ObjectDisposedException)
        {
            // The test is over.
        }
    }

    private async Task ServeAsync(TcpClient client)
    {
        using TcpClient _ = client;
        client.SendBufferSize = PieceBytes; // what a killed client has not read was hardly sent
        try
        {
            NetworkStream stream = client.GetStream();
            using StreamReader reader = new(stream, Encoding.ASCII, leaveOpen: true);
            string[] first = (await reader.ReadLineAsync(_end.Token) ?? "").Split(' ');
            if (first.Length < 2) return;
            Dictionary<string, string> headers = new(StringComparer.OrdinalIgnoreCase);
            while (await reader.ReadLineAsync(_end.Token) is { Length: > 0 } line) headers[line.Split(':', 2)[0]] = line.Split(':', 2)[1].Trim();
            char[] body = new char[int.Parse(headers.GetValueOrDefault("Content-Length") ?? "0", CultureInfo.InvariantCulture)];
            if (body.Length > 0) await reader.ReadBlockAsync(body, _end.Token); // of none it would wait for more
            FakeRequest request = new(first[0], first[1], headers) { Body = new string(body) };
            Requests.Enqueue(request);
            await AnswerAsync(stream, request, Fault(request) ?? Usual(request));
        }
        catch (Exception exception) when (exception is OperationCanceledException or IOException or ObjectDisposedException)
        {
            // The client is gone.
        }
    }

    private async Task AnswerAsync(NetworkStream stream, FakeRequest request, FakeAnswer answer)
    {
        StringBuilder head = new($"HTTP/1.1 {answer.Status} x\r\nConnection: close\r\n");
        foreach ((string name, string value) in answer.Headers)
            foreach (string line in value.Split('\n')) head.Append(CultureInfo.InvariantCulture, $"{name}: {line}\r\n");
        if (answer.HasLength) head.Append(CultureInfo.InvariantCulture, $"Content-Length: {answer.Body.Length + answer.Missing}\r\n");
        await stream.WriteAsync(Encoding.ASCII.GetBytes($"{head}\r\n"), _end.Token);
        if (request.Method != "HEAD") await SendAsync(stream, answer);
        if (answer.Stalls) await Task.Delay(Timeout.Infinite, _end.Token);
    }

    private async Task SendAsync(NetworkStream stream, FakeAnswer answer)
    {
        ReadOnlyMemory<byte> rest = answer.Body.AsMemory(0, Math.Min(answer.CutAfter, answer.Body.Length));
        long start = Stopwatch.GetTimestamp();
        for (long sent = 0; rest.Length > 0;)
        {
            ReadOnlyMemory<byte> piece = rest[..Math.Min(answer.PieceBytes ?? PieceBytes, rest.Length)];
            await stream.WriteAsync(piece, _end.Token);
            if (answer.IsContent) Interlocked.Add(ref _contentBytesSent, piece.Length);
            rest = rest[piece.Length..];
            sent += piece.Length;
            TimeSpan early = TimeSpan.FromSeconds((double)sent / BytesPerSecond) - Stopwatch.GetElapsedTime(start);
            if (answer.Pause > TimeSpan.Zero || early > TimeSpan.Zero) await Task.Delay(answer.Pause > early ? answer.Pause : early, _end.Token);
        }
    }
}

/// <summary>What a client asked.</summary>
public sealed record FakeRequest(string Method, string Target, IReadOnlyDictionary<string, string> Headers)
{
    public string Body { get; init; } = "";

    public string Path => Target.Split('?')[0];

    public string? Token => Headers.GetValueOrDefault("Authorization");

    public int? RangeFrom => Range(0);

    public int? RangeTo => Range(1);

    private int? Range(int end) => Headers.TryGetValue("Range", out string? range) && range.Split('=')[1].Split('-')[end] is { Length: > 0 } number
        ? int.Parse(number, CultureInfo.InvariantCulture) : null;
}

/// <summary>What it is answered.</summary>
public sealed record FakeAnswer(int Status, byte[] Body)
{
    /// <summary>A value with several lines becomes several headers.</summary>
    public Dictionary<string, string> Headers { get; init; } = new(StringComparer.Ordinal);

    /// <summary>Bytes after which the connection is cut.</summary>
    public int CutAfter { get; init; } = int.MaxValue;

    /// <summary>Bytes that are announced beside those that come.</summary>
    public int Missing { get; init; }

    public bool HasLength { get; init; } = true;

    /// <summary>Whether nothing comes behind the bytes, not even the end.</summary>
    public bool Stalls { get; init; }

    /// <summary>Whether the bytes are those of a file.</summary>
    public bool IsContent { get; init; }

    /// <summary>Bytes that come together; null for the usual number.</summary>
    public int? PieceBytes { get; init; }

    /// <summary>How long nothing comes behind them.</summary>
    public TimeSpan Pause { get; init; }

    public static FakeAnswer Json(JsonNode value) => Text(value.ToJsonString());

    public static FakeAnswer Text(string text) => new(200, Encoding.UTF8.GetBytes(text));
}
