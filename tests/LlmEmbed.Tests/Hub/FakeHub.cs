using System.Collections.Concurrent;
using System.Globalization;
using System.Net;
using System.Net.Sockets;
using System.Security.Cryptography;
using System.Text;
using System.Text.Json.Nodes;

namespace LlmEmbed.Tests.Hub;

/// <summary>
/// A Hub on this machine that answers as the real one does, counts what it is asked, and can be told to answer wrongly. It sees the bytes of
/// connections, so that it can cut one in the middle of an answer.
/// </summary>
internal sealed class FakeHub : IDisposable
{
    public const string Id = "someone/tiny";
    public const string Commit = "0123456789abcdef0123456789abcdef01234567", OtherCommit = "89abcdef0123456789abcdef0123456789abcdef";

    private readonly TcpListener _listener = new(IPAddress.Loopback, 0);
    private readonly CancellationTokenSource _end = new();

    private bool _isDisposed;

    public FakeHub()
    {
        _listener.Start();
        _ = AcceptAsync();
    }

    public string Endpoint => $"http://127.0.0.1:{((IPEndPoint)_listener.LocalEndpoint).Port}";

    /// <summary>The commit that the branch names now.</summary>
    public string Head { get; set; } = Commit;

    /// <summary>The files of the repository, at whatever commit.</summary>
    public Dictionary<string, byte[]> Files { get; } = new(StringComparer.Ordinal)
    {
        ["config.json"] = "{\"model_type\":\"bert\"}"u8.ToArray(),
        ["vocab.txt"] = "[PAD]\n[UNK]\n"u8.ToArray(),
        ["model.safetensors"] = Bytes(100_000),
        ["1_Pooling/config.json"] = "{}"u8.ToArray(),
        ["pytorch_model.bin"] = [1, 2, 3],
    };

    /// <summary>Holds a fixture's files in place of the tiny ones.</summary>
    public void Serve(string fixture)
    {
        Files.Clear();
        foreach (string file in Directory.GetFiles(Repository.Fixture(fixture))) Files[Path.GetFileName(file)] = File.ReadAllBytes(file);
    }

    /// <summary>Everything that was asked, in order.</summary>
    public ConcurrentQueue<FakeRequest> Requests { get; } = new();

    /// <summary>Answers in place of the usual answer, unless it gives null.</summary>
    public Func<FakeRequest, FakeAnswer?> Fault { get; set; } = _ => null;

    public static byte[] Bytes(int count)
    {
        byte[] bytes = new byte[count];
        for (int index = 0; index < count; index++) bytes[index] = (byte)((index * 7) + (index >> 8));
        return bytes;
    }

    /// <summary>The name of a file's content: large files have SHA-256, others what git computes.</summary>
    public static string HashOf(string path, byte[] bytes)
    {
        if (IsLarge(path)) return Convert.ToHexStringLower(SHA256.HashData(bytes));
        using IncrementalHash git = IncrementalHash.CreateHash(HashAlgorithmName.SHA1);
        git.AppendData(Encoding.ASCII.GetBytes($"blob {bytes.Length}\0"));
        git.AppendData(bytes);
        return Convert.ToHexStringLower(git.GetHashAndReset());
    }

    /// <summary>What the Hub answers if nothing goes wrong.</summary>
    public FakeAnswer Usual(FakeRequest request)
    {
        if (request.Path.StartsWith($"/api/models/{Id}/revision/", StringComparison.Ordinal)) return Json(new JsonObject { ["sha"] = Head });
        if (request.Path.StartsWith($"/api/models/{Id}/tree/", StringComparison.Ordinal)) return Json(Listing());
        string[] parts = request.Path.Split('/', 6); // "", org, name, resolve, commit, path
        return parts.Length == 6 && parts[3] == "resolve" && Files.TryGetValue(parts[5], out byte[]? bytes)
            ? Content(request, bytes)
            : new FakeAnswer(404, []) { Headers = { ["X-Error-Code"] = "EntryNotFound" } };
    }

    public JsonArray Listing() => new([.. Files.Select(file => (JsonNode)new JsonObject
    {
        ["type"] = "file",
        ["path"] = file.Key,
        ["size"] = file.Value.Length,
        ["oid"] = IsLarge(file.Key) ? new string('a', 40) : HashOf(file.Key, file.Value),
        ["lfs"] = IsLarge(file.Key) ? new JsonObject { ["oid"] = HashOf(file.Key, file.Value), ["size"] = file.Value.Length } : null,
    }).Prepend(new JsonObject { ["type"] = "directory", ["path"] = "1_Pooling" })]);

    public static FakeAnswer Json(JsonNode value) => new(200, Encoding.UTF8.GetBytes(value.ToJsonString()));

    /// <summary>Bytes, or those that a range asks for.</summary>
    public static FakeAnswer Content(FakeRequest request, byte[] bytes)
    {
        if (request.RangeFrom is not int from) return new FakeAnswer(200, bytes);
        return from >= bytes.Length
            ? new FakeAnswer(416, [])
            : new FakeAnswer(206, bytes[from..]) { Headers = { ["Content-Range"] = $"bytes {from}-{bytes.Length - 1}/{bytes.Length}" } };
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
        try
        {
            NetworkStream stream = client.GetStream();
            using StreamReader reader = new(stream, Encoding.ASCII, leaveOpen: true);
            string[] first = (await reader.ReadLineAsync(_end.Token) ?? "").Split(' ');
            if (first.Length < 2) return;
            Dictionary<string, string> headers = new(StringComparer.OrdinalIgnoreCase);
            while (await reader.ReadLineAsync(_end.Token) is { Length: > 0 } line) headers[line.Split(':', 2)[0]] = line.Split(':', 2)[1].Trim();
            FakeRequest request = new(first[0], first[1], headers);
            Requests.Enqueue(request);
            await AnswerAsync(stream, Fault(request) ?? Usual(request));
        }
        catch (Exception exception) when (exception is OperationCanceledException or IOException or ObjectDisposedException)
        {
            // The client is gone.
        }
    }

    private async Task AnswerAsync(NetworkStream stream, FakeAnswer answer)
    {
        StringBuilder head = new($"HTTP/1.1 {answer.Status} x\r\nConnection: close\r\n");
        foreach ((string name, string value) in answer.Headers) head.Append(CultureInfo.InvariantCulture, $"{name}: {value}\r\n");
        if (answer.HasLength) head.Append(CultureInfo.InvariantCulture, $"Content-Length: {answer.Body.Length + answer.Missing}\r\n");
        await stream.WriteAsync(Encoding.ASCII.GetBytes($"{head}\r\n"), _end.Token);
        await stream.WriteAsync(answer.Body.AsMemory(0, Math.Min(answer.CutAfter, answer.Body.Length)), _end.Token);
        if (answer.Stalls) await Task.Delay(Timeout.Infinite, _end.Token);
    }
}

/// <summary>What a client asked.</summary>
internal sealed record FakeRequest(string Method, string Target, IReadOnlyDictionary<string, string> Headers)
{
    public string Path => Target.Split('?')[0];

    public string? Token => Headers.GetValueOrDefault("Authorization");

    public int? RangeFrom => Headers.TryGetValue("Range", out string? range)
        ? int.Parse(range.Split('=')[1].TrimEnd('-'), CultureInfo.InvariantCulture) : null;
}

/// <summary>What it is answered.</summary>
internal sealed record FakeAnswer(int Status, byte[] Body)
{
    public Dictionary<string, string> Headers { get; } = new(StringComparer.Ordinal);

    /// <summary>Bytes after which the connection is cut.</summary>
    public int CutAfter { get; init; } = int.MaxValue;

    /// <summary>Bytes that are announced beside those that come.</summary>
    public int Missing { get; init; }

    public bool HasLength { get; init; } = true;

    /// <summary>Whether nothing comes behind the bytes, not even the end.</summary>
    public bool Stalls { get; init; }
}
