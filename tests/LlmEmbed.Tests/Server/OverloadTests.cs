using System.Net;
using System.Net.Sockets;
using System.Text;
using System.Text.Json;
using System.Text.Json.Nodes;
using Xunit;

namespace LlmEmbed.Tests.Server;

/// <summary>What clients do to a server that it must outlive: too many requests, too large ones, slow ones, and clients that leave.</summary>
public sealed class OverloadTests : IAsyncLifetime
{
    private readonly RunningServer _server = new();

    private static CancellationToken Cancellation => TestContext.Current.CancellationToken;

    public ValueTask InitializeAsync() => ValueTask.CompletedTask;

    public ValueTask DisposeAsync() => _server.DisposeAsync();

    [Fact]
    public async Task A_full_queue_is_a_429_that_says_when_to_come_again_and_never_another_status()
    {
        await _server.StartAsync(options => options with { Queue = new TextQueueOptions { MaxQueuedTokens = 64, Threads = 2 } });
        List<HttpResponseMessage> answers = [];
        // The first 500 requests together are more than 64 tokens, but how fast they arrive is the machine's to decide.
        for (int round = 0; round < 20 && !answers.Exists(answer => answer.StatusCode == HttpStatusCode.TooManyRequests); round++)
            answers.AddRange(await Task.WhenAll(Enumerable.Range(0, 500).Select(request => ClassifyAsync($"a parcel with the number {request}"))));
        Assert.All(answers, answer => Assert.Contains(answer.StatusCode, (HttpStatusCode[])[HttpStatusCode.OK, HttpStatusCode.TooManyRequests]));
        HttpResponseMessage refused = Assert.IsType<HttpResponseMessage>(
            answers.Find(answer => answer.StatusCode == HttpStatusCode.TooManyRequests));
        Assert.True(refused.Headers.RetryAfter?.Delta >= TimeSpan.FromSeconds(1));
        Assert.Contains("tokens wait", await RunningServer.RefusalOf(HttpStatusCode.TooManyRequests, refused), StringComparison.Ordinal);
        Assert.Equal(HttpStatusCode.OK, (await ClassifyAsync("a parcel")).StatusCode); // it goes on
    }

    [Fact]
    public async Task Two_thousand_requests_at_once_get_their_own_answers()
    {
        await _server.StartAsync(options => options);
        string[] texts = [.. Requests.Generate(2000, seed: 3).Select(example => example.Text)];
        Prediction[] expected = [.. _server.LoadedClassifier.Predict(texts, Cancellation)];
        HttpResponseMessage[] answers = await Task.WhenAll(texts.Select(ClassifyAsync));
        foreach ((int text, HttpResponseMessage answer) in answers.Index())
        {
            if (answer.StatusCode == HttpStatusCode.TooManyRequests) continue;
            JsonNode result = (await RunningServer.JsonOf(answer))[0]!;
            Assert.Equal((double)result["probability"]!, expected[text].Probability, 1e-5);
        }
    }

    [Fact]
    public async Task Bodies_that_are_too_large_are_refused_before_they_are_read()
    {
        await _server.StartAsync(options => options with { MaxBodyBytes = 10_000 });
        string body = JsonSerializer.Serialize(new { inputs = (string[])[new string('a', 20_000)] });
        string message = await _server.RefusedAsync(HttpStatusCode.RequestEntityTooLarge, "/classify", body);
        Assert.Contains("10,000 bytes", message, StringComparison.Ordinal);
        using HttpRequestMessage chunked = new(HttpMethod.Post, new Uri("/classify", UriKind.Relative))
        {
            Content = new StringContent(body, Encoding.UTF8, "application/json"),
        };
        chunked.Headers.TransferEncodingChunked = true; // says nothing of its length
        using HttpResponseMessage answer = await _server.Client.SendAsync(chunked, Cancellation);
        await RunningServer.RefusalOf(HttpStatusCode.RequestEntityTooLarge, answer);
    }

    [Fact]
    public async Task A_request_that_takes_too_long_is_a_408()
    {
        await _server.StartAsync(options => options with { Timeout = TimeSpan.FromMilliseconds(1) });
        string body = JsonSerializer.Serialize(new { inputs = Requests.Generate(2000).Select(example => example.Text) });
        Assert.Contains("Send fewer texts", await _server.RefusedAsync(HttpStatusCode.RequestTimeout, "/classify", body), StringComparison.Ordinal);
    }

    [Fact]
    public async Task Clients_that_leave_take_their_texts_with_them()
    {
        await _server.StartAsync(options => options);
        string body = JsonSerializer.Serialize(new { inputs = Requests.Generate(3000).Select(example => example.Text + example.Text) });
        for (int client = 0; client < 20; client++)
        {
            using CancellationTokenSource gone = CancellationTokenSource.CreateLinkedTokenSource(Cancellation);
            using StringContent content = new(body, Encoding.UTF8, "application/json");
            Task<HttpResponseMessage> request = _server.Client.PostAsync(new Uri("/classify", UriKind.Relative), content, gone.Token);
            gone.CancelAfter(TimeSpan.FromMilliseconds(10 * client));
            try
            {
                (await request).Dispose();
            }
            catch (OperationCanceledException)
            {
            }
        }
        Assert.Equal(HttpStatusCode.OK, (await ClassifyAsync("a parcel")).StatusCode);
        while (_server.Queue.QueuedTexts > 0) await Task.Delay(10, Cancellation); // ends, since nobody asks for more
    }

    [Fact]
    public async Task A_client_that_sends_byte_by_byte_disturbs_nobody()
    {
        await _server.StartAsync(options => options);
        Uri address = _server.Client.BaseAddress!;
        using TcpClient slow = new();
        await slow.ConnectAsync(address.Host, address.Port, Cancellation);
        byte[] request = Encoding.ASCII.GetBytes(
            $"POST /classify HTTP/1.1\r\nHost: {address.Authority}\r\nContent-Type: application/json\r\nContent-Length: 22\r\n\r\n" +
            "{\"inputs\":[\"parcels\"]}");
        foreach (byte character in request)
        {
            await slow.GetStream().WriteAsync(new[] { character }, Cancellation);
            if (character == '\n') Assert.Equal(HttpStatusCode.OK, (await ClassifyAsync("a parcel")).StatusCode);
        }
        byte[] answer = new byte[15];
        await slow.GetStream().ReadExactlyAsync(answer, Cancellation);
        Assert.Equal("HTTP/1.1 200 OK", Encoding.ASCII.GetString(answer));
    }

    [Fact]
    public async Task Bodies_that_fill_their_memory_are_told_to_come_again()
    {
        await _server.StartAsync(options => options with { MaxBodyBytes = 10_000, MaxBodiesBytes = 10_000 });
        Uri address = _server.Client.BaseAddress!;
        using TcpClient holding = new();
        await holding.ConnectAsync(address.Host, address.Port, Cancellation);
        byte[] head = Encoding.ASCII.GetBytes(
            $"POST /classify HTTP/1.1\r\nHost: {address.Authority}\r\nContent-Type: application/json\r\nContent-Length: 9000\r\n\r\n[");
        await holding.GetStream().WriteAsync(head, Cancellation);
        string body = JsonSerializer.Serialize(new { inputs = (string[])[new string('a', 5000)] });
        await RunningServer.RefusalOf(HttpStatusCode.TooManyRequests, await AskUntilAsync(HttpStatusCode.TooManyRequests, body));
        holding.Close();
        Assert.Equal(HttpStatusCode.OK, (await AskUntilAsync(HttpStatusCode.OK, body)).StatusCode);
    }

    [Theory]
    [InlineData(null, HttpStatusCode.Unauthorized)]
    [InlineData("Bearer wrong", HttpStatusCode.Unauthorized)]
    [InlineData("Basic first", HttpStatusCode.Unauthorized)]
    [InlineData("Bearer first", HttpStatusCode.OK)]
    [InlineData("bearer  second", HttpStatusCode.OK)]
    public async Task Only_a_key_opens_a_server_that_has_some(string? authorization, HttpStatusCode status)
    {
        await _server.StartAsync(options => options with { ApiKeys = ["first", "second"] });
        if (authorization is not null) _server.Client.DefaultRequestHeaders.TryAddWithoutValidation("Authorization", authorization);
        Assert.Equal(status, (await ClassifyAsync("a parcel")).StatusCode);
        Assert.Equal(HttpStatusCode.OK, (await _server.GetAsync("/health/live")).StatusCode);
    }

    /// <summary>Asks until the server has noticed what another client did, at most a thousand times.</summary>
    private async Task<HttpResponseMessage> AskUntilAsync(HttpStatusCode status, string body)
    {
        HttpResponseMessage answer = await _server.PostAsync("/classify", body);
        for (int tries = 0; tries < 1000 && answer.StatusCode != status; tries++)
        {
            answer.Dispose();
            await Task.Delay(10, Cancellation);
            answer = await _server.PostAsync("/classify", body);
        }
        return answer;
    }

    private Task<HttpResponseMessage> ClassifyAsync(string text) =>
        _server.PostAsync("/classify", JsonSerializer.Serialize(new { inputs = (string[])[text] }));
}
