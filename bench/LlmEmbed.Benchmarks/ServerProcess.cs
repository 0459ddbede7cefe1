using System.Diagnostics;
using System.Globalization;
using System.Net;
using System.Text;
using System.Text.Json;

namespace LlmEmbed.Benchmarks;

/// <summary>A server as a process of its own, and what clients of it see.</summary>
internal sealed class ServerProcess : IDisposable
{
    private readonly Process _process;
    private readonly HttpClient _client = new(new SocketsHttpHandler { PooledConnectionIdleTimeout = TimeSpan.FromMinutes(2) })
    {
        Timeout = TimeSpan.FromMinutes(10),
    };

    private ServerProcess(Process process, JsonElement ready)
    {
        _process = process;
        Address = new Uri(ready.GetProperty("address").GetString()!);
        Loading = ready.GetProperty("loading_seconds").GetDouble();
        WarmUp = ready.GetProperty("warm_up_seconds").GetDouble();
    }

    public Uri Address { get; }

    /// <summary>Seconds that the server says its loading took, and its warm-up.</summary>
    public double Loading { get; }

    public double WarmUp { get; }

    /// <summary>Seconds from the start of the process until it was ready.</summary>
    public double UntilReady { get; private init; }

    /// <summary>Bytes in memory now.</summary>
    public long ResidentBytes
    {
        get
        {
            _process.Refresh();
            return _process.WorkingSet64;
        }
    }

    /// <summary>Starts the tool that lies beside this program and waits until it answers.</summary>
    public static ServerProcess Start(params IEnumerable<string> arguments)
    {
        long start = Stopwatch.GetTimestamp();
        string tool = Path.Combine(AppContext.BaseDirectory, "llmembed.dll");
        ProcessStartInfo info = new("dotnet", [tool, "serve", "--port", "0", "--json", .. arguments])
        {
            RedirectStandardOutput = true,
            UseShellExecute = false,
        };
        info.Environment["LLMEMBED_MODELS"] = Bench.Runtime.ModelFolders[0];
        Process process = Process.Start(info)!;
        string line = process.StandardOutput.ReadLine() ?? throw new InvalidOperationException("The server ended before it was ready.");
        return new ServerProcess(process, JsonDocument.Parse(line).RootElement) { UntilReady = Stopwatch.GetElapsedTime(start).TotalSeconds };
    }

    /// <summary>Classifies one text.</summary>
    /// <returns>The status, and where it is 200 the probability of the first label.</returns>
    public async Task<(HttpStatusCode Status, string? Label, double Probability)> ClassifyAsync(string text)
    {
        using StringContent body = new(JsonSerializer.Serialize(new { inputs = (string[])[text] }), Encoding.UTF8, "application/json");
        using HttpResponseMessage answer = await _client.PostAsync(new Uri(Address, "/classify"), body).ConfigureAwait(false);
        if (answer.StatusCode != HttpStatusCode.OK) return (answer.StatusCode, null, 0);
        using JsonDocument result = JsonDocument.Parse(await answer.Content.ReadAsByteArrayAsync().ConfigureAwait(false));
        JsonElement first = result.RootElement[0];
        return (answer.StatusCode, first.GetProperty("label").GetString(), first.GetProperty("probability").GetDouble());
    }

    /// <summary>Does what clients should not do: leaves in the middle of a large request, and sends bodies that make no sense.</summary>
    public async Task DisturbAsync()
    {
        string large = JsonSerializer.Serialize(new { inputs = Bench.Texts(2000, 30) });
        string[] bodies =
        [
            "", "{", "[[[[[[[[[[[[1", "{\"inputs\": 5}", "{\"inputs\": [\"\"]}", "{\"inputs\": [\"a\", 1]}", "\u0000", new string('a', 100_000),
        ];
        foreach (string body in bodies)
        {
            using StringContent garbage = new(body, Encoding.UTF8, "application/json");
            using HttpResponseMessage refusal = await _client.PostAsync(new Uri(Address, "/classify"), garbage).ConfigureAwait(false);
            if ((int)refusal.StatusCode is < 400 or >= 500) throw new InvalidOperationException($"Garbage was answered by {refusal.StatusCode}.");
        }
        using CancellationTokenSource gone = new(TimeSpan.FromMilliseconds(50));
        using StringContent left = new(large, Encoding.UTF8, "application/json");
        try
        {
            (await _client.PostAsync(new Uri(Address, "/classify"), left, gone.Token).ConfigureAwait(false)).Dispose();
        }
        catch (OperationCanceledException)
        {
            // The client left.
        }
    }

    /// <summary>Ends it as a service manager does, and says with what code it ended.</summary>
    public int Stop()
    {
        using Process signal = Process.Start("kill", ["-TERM", _process.Id.ToString(CultureInfo.InvariantCulture)]);
        signal.WaitForExit();
        _process.WaitForExit();
        return _process.ExitCode;
    }

    public void Dispose()
    {
        if (!_process.HasExited) _process.Kill();
        _process.Dispose();
        _client.Dispose();
    }
}
