using System.CommandLine;
using System.Net;
using LlmEmbed.Server;
using Microsoft.Extensions.Logging;

namespace LlmEmbed.Cli;

/// <summary>The options that say where a server listens and what it lets in.</summary>
internal sealed class ServeArguments
{
    private static readonly LlmEmbedServerOptions Defaults = new();
    private static readonly LlmEmbedHostOptions HostDefaults = new();

    private readonly Option<IPAddress?> _host = new("--host")
    {
        Description = "Address to listen at; 0.0.0.0 is reached from other machines. Default: 127.0.0.1, which is reached from this one only.",
        HelpName = "ADDRESS",
        CustomParser = CommonOptions.Parser<IPAddress?>(value => value == "localhost" ? IPAddress.Loopback
            : IPAddress.TryParse(value, out IPAddress? address) ? address
            : throw new LlmEmbedException($"--host is '{value}', expected an IP address such as 127.0.0.1, 0.0.0.0 or ::1.")),
    };

    private readonly Option<int?> _port = new("--port")
    {
        Description = $"Port; 0 takes a free one. Default: {HostDefaults.Port}.",
        HelpName = "N",
        CustomParser = CommonOptions.Parser<int?>(value => ushort.TryParse(value, out ushort port)
            ? port
            : throw new LlmEmbedException($"--port is '{value}', expected a number from 0 to 65535.")),
    };

    private readonly Option<string?> _keys = new("--api-key-file")
    {
        Description = "File with keys, one in a line, of which a request must carry one (Authorization: Bearer KEY). LLMEMBED_API_KEY gives keys " +
            "too, separated by commas. Default: none, which lets everybody in.",
        HelpName = "FILE",
    };

    private readonly Option<int?> _queue = CommonOptions.Count(
        "--max-queued-tokens",
        "N",
        $"Tokens that may wait. What comes then is told to come again (429). Default: {Defaults.Queue.MaxQueuedTokens:N0}.");

    private readonly Option<int?> _texts = CommonOptions.Count("--max-texts", "N", $"Most texts of a request. Default: {Defaults.MaxTexts:N0}.");

    private readonly Option<long?> _body = CommonOptions.Size(
        "--max-body", $"Largest body of a request, e.g. 8MB. Default: {Defaults.MaxBodyBytes / 1e6:0}MB.");

    private readonly Option<TimeSpan?> _timeout = CommonOptions.Time(
        "--timeout", $"Longest time that a request may take, e.g. 90s or 5m. Default: {Defaults.Timeout.TotalMinutes:0}m.");

    private readonly Option<TimeSpan?> _drain = CommonOptions.Time(
        "--drain",
        "How long requests are still accepted after SIGTERM while /health/ready says no, e.g. 5s, so that load balancers can notice. Default: 0.");

    private readonly Option<bool> _strict = new("--strict-model")
    {
        Description = "Refuse names of models that are not served (404). Default: the first model of the right kind answers, and a header says so.",
    };

    private readonly Option<LogLevel> _level = CommonOptions.Choice<LogLevel>(
        "--log-level", "Least important messages on standard error; information has a line for each request. Default: warning.");

    private readonly Option<bool> _jsonLogs = new("--json-logs") { Description = "Write each message as a JSON object." };

    public void AddTo(ToolCommand command)
    {
        command.Files.Add(PathRole.Data, _keys);
        foreach (Option option in (Option[])
            [_host, _port, _keys, _queue, _texts, _body, _timeout, _drain, _strict, _level, _jsonLogs]) command.Add(option);
    }

    /// <summary>What is let in; what is served is the command's to add.</summary>
    public LlmEmbedServerOptions Read(ParseResult parsed) => new()
    {
        MaxTexts = parsed.GetValue(_texts) ?? Defaults.MaxTexts,
        MaxBodyBytes = parsed.GetValue(_body) ?? Defaults.MaxBodyBytes,
        Timeout = parsed.GetValue(_timeout) ?? Defaults.Timeout,
        StrictModel = parsed.GetValue(_strict),
        Queue = new TextQueueOptions { MaxQueuedTokens = parsed.GetValue(_queue) ?? Defaults.Queue.MaxQueuedTokens },
    };

    public LlmEmbedHostOptions ReadHost(ParseResult parsed) => new()
    {
        Address = parsed.GetValue(_host) ?? HostDefaults.Address,
        Port = parsed.GetValue(_port) ?? HostDefaults.Port,
        Drain = parsed.GetValue(_drain) ?? HostDefaults.Drain,
        LogLevel = parsed.GetResult(_level) is null ? HostDefaults.LogLevel : parsed.GetValue(_level),
        JsonLogs = parsed.GetValue(_jsonLogs),
    };

    /// <summary>The keys of the file; lines that are empty or begin with # are none.</summary>
    /// <exception cref="LlmEmbedException">The file cannot be read, or holds no key.</exception>
    public IReadOnlyList<string> KeysOfFile(ParseResult parsed)
    {
        if (parsed.GetValue(_keys) is not string path) return [];
        try
        {
            string[] keys = [.. File.ReadLines(path).Select(line => line.Trim()).Where(line => line.Length > 0 && line[0] != '#')];
            // A server that was meant to be closed must not be open.
            if (keys.Length == 0) throw new LlmEmbedException($"{path}: the file holds no key, expected one in a line.") { FilePath = path };
            return keys;
        }
        catch (Exception exception) when (exception is IOException or UnauthorizedAccessException)
        {
            throw new LlmEmbedException($"{path}: the keys cannot be read: {exception.Message}", exception) { FilePath = path };
        }
    }
}
