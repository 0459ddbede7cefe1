using System.Collections.Concurrent;
using System.IO.Compression;
using System.Text;
using System.Text.Json.Nodes;
using LlmEmbed.Hub;
using Xunit;

namespace LlmEmbed.Tests.Hub;

public sealed class HubSnapshotTests : IDisposable
{
    private const string Weights = "model.safetensors";
    private static readonly string[] Wanted = ["1_Pooling/config.json", "config.json", Weights, "vocab.txt"];

    private readonly TemporaryFolder _folder = new();
    private readonly FakeHub _hub = new();
    private readonly ConcurrentQueue<double> _waits = new();

    private string Repository => _folder.File("models--someone--tiny");

    public void Dispose()
    {
        _hub.Dispose();
        _folder.Dispose();
    }

    [Fact]
    public async Task A_model_is_downloaded_into_the_layout_of_the_python_library()
    {
        string snapshot = await Download();
        Assert.Equal(Path.Combine(Repository, "snapshots", FakeHub.Commit), snapshot);
        RequireRightFiles(snapshot);
        Assert.Equal(FakeHub.Commit, File.ReadAllText(Path.Combine(Repository, "refs", "main")));
        string blob = Path.Combine("blobs", FakeHub.HashOf(Weights, _hub.Files[Weights]));
        Assert.Equal(Path.Combine("..", "..", blob), new FileInfo(Path.Combine(snapshot, Weights)).LinkTarget);
        Assert.StartsWith("../../../blobs/", new FileInfo(Path.Combine(snapshot, "1_Pooling", "config.json")).LinkTarget, StringComparison.Ordinal);
        JsonNode tree = JsonNode.Parse(File.ReadAllText(Path.Combine(Repository, "trees", FakeHub.Commit + ".json")))!;
        Assert.Equal(FakeHub.HashOf(Weights, _hub.Files[Weights]), (string?)tree["files"]![Weights]!["lfs_sha256"]);
        Assert.All(_hub.Requests, request => Assert.Equal("identity", request.Headers["Accept-Encoding"]));
    }

    [Fact]
    public async Task What_is_there_is_not_asked_for_again()
    {
        await Download();
        _hub.Requests.Clear();
        await Download();
        Assert.Equal($"/api/models/{FakeHub.Id}/revision/main", Assert.Single(_hub.Requests).Target);
        await Download($"{FakeHub.Id}@{FakeHub.Commit}");
        Assert.Single(_hub.Requests);
    }

    [Fact]
    public async Task A_revision_with_a_slash_is_one_part_of_the_address()
    {
        await Download($"{FakeHub.Id}@refs/pr/2");
        Assert.Equal($"/api/models/{FakeHub.Id}/revision/refs%2Fpr%2F2", _hub.Requests.First().Target);
        Assert.Equal(FakeHub.Commit, File.ReadAllText(Path.Combine(Repository, "refs", "refs", "pr", "2")));
    }

    [Theory]
    [InlineData(1)]
    [InlineData(999)]
    [InlineData(40_000)]
    [InlineData(99_999)]
    public async Task A_connection_that_is_cut_again_and_again_is_continued(int bytes)
    {
        int cuts = 0;
        _hub.Fault = request => IsWeights(request) && ++cuts <= 4 ? _hub.Usual(request) with { CutAfter = bytes } : null;
        RequireRightFiles(await Download());
        Assert.Contains(_hub.Requests, request => request.RangeFrom == bytes);
    }

    [Fact]
    public async Task A_connection_that_gives_no_byte_is_given_up_after_five_repeats_and_what_came_is_kept()
    {
        bool isUp = false;
        _hub.Fault = request => IsWeights(request) && !isUp ? _hub.Usual(request) with { CutAfter = request.RangeFrom is null ? 5000 : 0 } : null;
        Assert.Contains("model.safetensors ends after 5,000 of 100,000 bytes", await Refusal(), StringComparison.Ordinal);
        isUp = true;
        _hub.Requests.Clear();
        RequireRightFiles(await Download());
        Assert.Equal(5000, Assert.Single(_hub.Requests, IsWeights).RangeFrom);
    }

    [Fact]
    public async Task A_range_that_is_not_obeyed_starts_the_file_over()
    {
        int asked = 0;
        _hub.Fault = request => IsWeights(request)
            ? new FakeAnswer(200, _hub.Files[Weights]) { CutAfter = ++asked == 1 ? 30_000 : int.MaxValue } : null;
        RequireRightFiles(await Download());
        Assert.Equal([null, 30_000], _hub.Requests.Where(IsWeights).Select(request => request.RangeFrom));
    }

    [Fact]
    public async Task A_range_that_cannot_be_satisfied_starts_the_file_over()
    {
        int asked = 0;
        _hub.Fault = request => !IsWeights(request) ? null : ++asked switch
        {
            1 => _hub.Usual(request) with { CutAfter = 30_000 },
            2 => new FakeAnswer(416, []),
            _ => null,
        };
        RequireRightFiles(await Download());
        Assert.Equal([null, 30_000, null], _hub.Requests.Where(IsWeights).Select(request => request.RangeFrom));
    }

    [Theory]
    [InlineData("changed")]
    [InlineData("longer")]
    public async Task Wrong_bytes_are_fetched_once_more_and_then_refused_and_nothing_is_kept(string way)
    {
        byte[] wrong = [.. _hub.Files[Weights]];
        wrong[77] ^= 1;
        if (way == "longer") wrong = [.. _hub.Files[Weights], 0];
        _hub.Fault = request => IsWeights(request) ? FakeHub.Content(request, wrong) : null;
        string message = await Refusal();
        Assert.Contains("model.safetensors came 2 times with other bytes than the Hub lists (100,000 bytes, ", message, StringComparison.Ordinal);
        Assert.Equal(2, _hub.Requests.Count(IsWeights));
        // Parts of other files, which were on their way when this one failed, are kept for the next attempt.
        Assert.Empty(Directory.GetFiles(Repository, $"{FakeHub.HashOf(Weights, _hub.Files[Weights])}*", SearchOption.AllDirectories));
        Assert.False(File.Exists(Path.Combine(Repository, "snapshots", FakeHub.Commit, Weights)));
        Assert.False(File.Exists(Path.Combine(Repository, "refs", "main")));
    }

    [Fact]
    public async Task Fewer_bytes_than_announced_are_continued()
    {
        bool isFirst = true;
        _hub.Fault = request =>
        {
            if (!IsWeights(request) || !isFirst) return null;
            isFirst = false;
            return new FakeAnswer(200, _hub.Files[Weights][..500]) { Missing = 99_500 };
        };
        RequireRightFiles(await Download());
    }

    [Fact]
    public async Task Compressed_content_without_a_length_is_unpacked()
    {
        _hub.Fault = request =>
        {
            if (!request.Path.EndsWith("vocab.txt", StringComparison.Ordinal)) return null;
            using MemoryStream packed = new();
            using (GZipStream gzip = new(packed, CompressionLevel.Fastest)) gzip.Write(_hub.Files["vocab.txt"]);
            return new FakeAnswer(200, packed.ToArray()) { HasLength = false, Headers = { ["Content-Encoding"] = "gzip" } };
        };
        RequireRightFiles(await Download());
    }

    [Fact]
    public async Task A_connection_that_trickles_is_not_cut()
    {
        _hub.Files[Weights] = FakeHub.Bytes(10);
        _hub.Fault = request => IsWeights(request)
            ? _hub.Usual(request) with { PieceBytes = 1, Pause = TimeSpan.FromMilliseconds(300) } : null;
        RequireRightFiles(await Download(Environment() with { IdleTime = TimeSpan.FromSeconds(2) }));
        Assert.Single(_hub.Requests, IsWeights);
    }

    [Fact]
    public async Task A_connection_without_a_byte_for_too_long_is_given_up_and_continued()
    {
        bool isFirst = true;
        _hub.Fault = request =>
        {
            if (!IsWeights(request) || !isFirst) return null;
            isFirst = false;
            return _hub.Usual(request) with { CutAfter = 10_000, Stalls = true };
        };
        RequireRightFiles(await Download(Environment() with { IdleTime = TimeSpan.FromMilliseconds(300) }));
        Assert.Contains(_hub.Requests, request => request.RangeFrom == 10_000);
    }

    [Fact]
    public async Task A_warning_of_the_hub_is_shown_once_for_each_topic()
    {
        _hub.Fault = request => _hub.Usual(request) with
        {
            Headers = new(_hub.Usual(request).Headers) { ["X-HF-Warning"] = "moved; Move \u001b[31mon.\nmoved; Again.\nold; Old." },
        };
        List<WorkProgress> reports = [];
        await HubSnapshot.DownloadAsync(
            HubName.Parse(FakeHub.Id)!, Environment(), new ProgressCallback(reports.Add), TestContext.Current.CancellationToken);
        Assert.Equal(
            ["The Hugging Face Hub says: Move [31mon.", "The Hugging Face Hub says: Old."],
            reports.Select(report => report.Notice).OfType<string>());
    }

    [Fact]
    public async Task Files_that_do_not_exist_are_noted_as_python_notes_them()
    {
        await Download();
        string absent = Path.Combine(Repository, ".no_exist", FakeHub.Commit);
        Assert.Equal(0, new FileInfo(Path.Combine(absent, "tokenizer.json")).Length);
        Assert.False(File.Exists(Path.Combine(absent, "vocab.txt")));
        Assert.DoesNotContain(_hub.Requests, request => request.Path.EndsWith("tokenizer.json", StringComparison.Ordinal));
        Assert.StartsWith("Signature: 8a477f597d28d172789f06886806bc55", File.ReadAllText(_folder.File("CACHEDIR.TAG")), StringComparison.Ordinal);
        Assert.Equal(Wanted.Length, Directory.GetFiles(_folder.File(Path.Combine(".locks", "models--someone--tiny")), "*.lock").Length);
    }

    [Theory]
    [InlineData("someone/tiny:q8_0", "x-Q8_0.gguf")]
    [InlineData("someone/tiny:Q4_K_M", "deep/x.Q4_K_M.gguf")]
    [InlineData("someone/tiny/deep/x.Q4_K_M.gguf@main", "deep/x.Q4_K_M.gguf")]
    [InlineData("someone/tiny/x-Q8_0.gguf", "x-Q8_0.gguf")]
    public async Task One_gguf_file_is_fetched_alone(string name, string file)
    {
        _hub.Files["x-Q8_0.gguf"] = FakeHub.Bytes(10);
        _hub.Files["deep/x.Q4_K_M.gguf"] = FakeHub.Bytes(20);
        string path = await Download(name);
        Assert.Equal(Path.Combine([Repository, "snapshots", FakeHub.Commit, .. file.Split('/')]), path);
        Assert.Equal(_hub.Files[file], File.ReadAllBytes(path));
        Assert.Single(_hub.Requests, request => request.Path.Contains("/resolve/", StringComparison.Ordinal));
        Assert.False(Directory.Exists(Path.Combine(Repository, ".no_exist")));
        _hub.Requests.Clear();
        HubName pinned = HubName.Parse(HubName.Parse(name)!.At(FakeHub.Commit, file))!;
        Assert.Equal(path, await PathOf(pinned, Environment()));
        Assert.Equal(path, await PathOf(HubName.Parse(name)!, Environment().Offline()));
        Assert.Empty(_hub.Requests);
        RequireWeights(await Download()); // what is there of another name is not taken for the model
    }

    [Theory]
    [InlineData(":Q5_0", "has no GGUF file of the quantization 'Q5_0'. It has a-Q8_0.gguf (Q8_0), b-Q8_0.gguf (Q8_0) and c.gguf. Name one of them")]
    [InlineData(":Q8_0", "has 2 GGUF files of the quantization 'Q8_0': a-Q8_0.gguf (Q8_0) and b-Q8_0.gguf (Q8_0). Name one of them, for example " +
        "someone/tiny/a-Q8_0.gguf.")]
    [InlineData("/d.gguf", "has no GGUF file 'd.gguf'.")]
    [InlineData("", "has 3 GGUF files: a-Q8_0.gguf (Q8_0), b-Q8_0.gguf (Q8_0) and c.gguf. Name one of them, for example " +
        "someone/tiny/a-Q8_0.gguf.")]
    public async Task A_name_that_means_no_gguf_file_or_several_is_answered_with_what_is_there(string behind, string expected)
    {
        foreach (string file in (string[])["a-Q8_0.gguf", "b-Q8_0.gguf", "c.gguf"]) _hub.Files[file] = [1];
        _hub.Files.Remove(Weights);
        string message = (await Assert.ThrowsAsync<LlmEmbedException>(() => Download(FakeHub.Id + behind))).Message;
        Assert.Contains(expected, message, StringComparison.Ordinal);
        Assert.DoesNotContain(_hub.Requests, request => request.Path.Contains("/resolve/", StringComparison.Ordinal));
    }

    [Fact]
    public async Task The_token_goes_to_the_hub_and_never_to_the_host_of_the_content()
    {
        using FakeHub store = new();
        store.Fault = request => FakeHub.Content(request, _hub.Files[Weights]);
        _hub.Fault = request => IsWeights(request) ? Redirect(302, store.Endpoint + "/signed?key=1") : null;
        RequireRightFiles(await Download(Environment() with { Token = "hf_secret", TokenSource = "a test" }));
        Assert.Equal("/signed?key=1", Assert.Single(store.Requests).Target);
        Assert.Null(store.Requests.Single().Token);
        Assert.All(_hub.Requests, request => Assert.Equal("Bearer hf_secret", request.Token));
    }

    [Fact]
    public async Task The_token_goes_to_a_second_host_of_the_hub()
    {
        using FakeHub second = new();
        _hub.Fault = request => Redirect(308, second.Endpoint + request.Target);
        RequireRightFiles(await Download(Environment() with { Token = "hf_secret", TokenSource = "a test", HubHosts = [second.Endpoint] }));
        Assert.All(second.Requests, request => Assert.Equal("Bearer hf_secret", request.Token));
    }

    [Fact]
    public async Task A_question_other_than_for_content_is_not_sent_to_another_host()
    {
        using FakeHub other = new();
        _hub.Fault = request => Redirect(302, other.Endpoint + request.Target);
        Assert.Contains("which is not the Hub. It was not asked.", await Refusal(), StringComparison.Ordinal);
        Assert.Empty(other.Requests);
    }

    [Fact]
    public async Task A_renamed_repository_is_followed_with_the_query()
    {
        _hub.Fault = request => request.Target.Contains("/old/", StringComparison.Ordinal)
            ? Redirect(307, request.Target.Replace("/old/", "/tiny/", StringComparison.Ordinal)) : null;
        string snapshot = await Download("someone/old");
        RequireRightFiles(snapshot);
        Assert.Contains(
            $"/api/models/{FakeHub.Id}/tree/{FakeHub.Commit}?recursive=true&expand=false", _hub.Requests.Select(request => request.Target));
    }

    [Fact]
    public async Task A_circle_of_redirects_ends()
    {
        _hub.Fault = request => Redirect(307, request.Target);
        Assert.Contains("was sent on more than 10 times", await Refusal(), StringComparison.Ordinal);
        Assert.Equal(11, _hub.Requests.Count);
    }

    [Fact]
    public async Task All_pages_of_the_list_come_from_the_endpoint()
    {
        _hub.Fault = request =>
        {
            if (!request.Path.Contains("/tree/", StringComparison.Ordinal)) return null;
            bool isFirst = !request.Target.Contains("cursor", StringComparison.Ordinal);
            JsonNode[] entries = [.. _hub.Listing().Select(entry => entry!.DeepClone())];
            FakeAnswer page = FakeAnswer.Json(new JsonArray(isFirst ? entries[..2] : entries[2..]));
            if (isFirst) page.Headers["Link"] = $"<https://huggingface.co{request.Target}&cursor=2>; rel=\"next\"";
            return page;
        };
        HubEnvironment environment = Environment() with { HubHosts = ["https://huggingface.co"] };
        RequireRightFiles(await Download(environment));
        Assert.Equal(2, _hub.Requests.Count(request => request.Path.Contains("/tree/", StringComparison.Ordinal)));
    }

    [Theory]
    [InlineData("../x.model")]
    [InlineData("/x.model")]
    [InlineData("C:/x.model")]
    [InlineData("a\\b.model")]
    [InlineData("a/../../x.model")]
    [InlineData("a//x.model")]
    public async Task A_path_that_could_lead_out_of_the_cache_is_refused(string path)
    {
        _hub.Files[path] = [1];
        Assert.Contains("whose path may lead out of the cache", await Refusal(), StringComparison.Ordinal);
        Assert.Empty(Directory.GetFiles(_folder.Path, "*", SearchOption.AllDirectories));
    }

    [Theory]
    [InlineData("../../x")]
    [InlineData("")]
    [InlineData("abc")]
    public async Task A_hash_that_is_none_is_refused(string hash)
    {
        _hub.Fault = request =>
        {
            if (!request.Path.Contains("/tree/", StringComparison.Ordinal)) return null;
            JsonArray listing = _hub.Listing();
            listing[1]!["oid"] = hash;
            return FakeAnswer.Json(listing);
        };
        Assert.Contains("without its size and hash", await Refusal(), StringComparison.Ordinal);
        Assert.Empty(Directory.GetFiles(_folder.Path, "*", SearchOption.AllDirectories));
    }

    [Fact]
    public async Task A_branch_that_moves_meanwhile_gives_one_commit()
    {
        _hub.Fault = request =>
        {
            if (request.Path.Contains("/tree/", StringComparison.Ordinal)) _hub.Head = FakeHub.OtherCommit;
            return null;
        };
        Assert.EndsWith(FakeHub.Commit, await Download(), StringComparison.Ordinal);
        Assert.All(
            _hub.Requests.Where(request => request.Path.Contains("/resolve/", StringComparison.Ordinal)),
            request => Assert.Contains(FakeHub.Commit, request.Path, StringComparison.Ordinal));
        Assert.Equal(FakeHub.Commit, File.ReadAllText(Path.Combine(Repository, "refs", "main")));
        Assert.EndsWith(FakeHub.OtherCommit, await Download(), StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("ratelimit", "\"api\";r=0;t=55", 56)]
    [InlineData("ratelimit", "\"api\";r=3;t=55", 1)]
    [InlineData("Retry-After", "7", 8)]
    public async Task A_limit_of_requests_is_waited_for_as_told(string header, string value, double seconds)
    {
        bool isFirst = true;
        _hub.Fault = _ =>
        {
            if (!isFirst) return null;
            isFirst = false;
            return new FakeAnswer(429, []) { Headers = { [header] = value } };
        };
        RequireRightFiles(await Download());
        Assert.Equal([seconds], _waits);
    }

    [Fact]
    public async Task A_limit_that_stays_ends_with_the_hint_to_set_a_token()
    {
        _hub.Fault = _ => new FakeAnswer(429, []);
        Assert.Contains("too many requests from here. Set HF_TOKEN for a larger quota", await Refusal(), StringComparison.Ordinal);
        Assert.Equal([1, 2, 4, 8, 8], _waits);
    }

    [Theory]
    [InlineData(500)]
    [InlineData(502)]
    [InlineData(503)]
    [InlineData(504)]
    public async Task A_failure_of_the_server_is_repeated(int status)
    {
        ConcurrentDictionary<string, bool> seen = new(StringComparer.Ordinal);
        _hub.Fault = request => seen.TryAdd(request.Target, true) ? new FakeAnswer(status, []) : null;
        RequireRightFiles(await Download());
    }

    [Fact]
    public async Task A_web_page_of_a_proxy_is_named()
    {
        _hub.Fault = _ => new FakeAnswer(200, "<html>Please log in"u8.ToArray()) { Headers = { ["Content-Type"] = "text/html" } };
        string message = await Refusal();
        Assert.Contains($"from {new Uri(_hub.Endpoint).Authority}: the answer is not JSON (status 200)", message, StringComparison.Ordinal);
        _hub.Fault = _ => new FakeAnswer(502, "<html>Bad gateway"u8.ToArray()) { Headers = { ["Content-Type"] = "text/html" } };
        Assert.Contains("answers 502 to the revision with a web page, so it may be a proxy", await Refusal(), StringComparison.Ordinal);
    }

    [Theory]
    [InlineData(404, "X-Error-Code", "RevisionNotFound", "someone/tiny has no revision 'main'")]
    [InlineData(401, "X-Error-Code", "GatedRepo", "someone/tiny is gated: accept its terms at ")]
    [InlineData(403, "X-Error-Code", "GatedRepo", "then set HF_TOKEN (the token from a test was sent)")]
    [InlineData(404, "X-Error-Code", "RepoNotFound", "was not found on ")]
    [InlineData(401, "X-Other", "x", "or is private (the token from a test was sent). Check the name.")]
    [InlineData(403, "X-Error-Message", "Access to this resource is disabled.", "Access to this resource is disabled.")]
    [InlineData(401, "X-Error-Message", "Invalid credentials in Authorization header", "does not accept the token from a test")]
    [InlineData(403, "X-Error-Message", "no permission", "refuses the revision: no permission")]
    [InlineData(400, "x-request-id", "abc", "answers 400 to the revision. Request id: abc.")]
    public async Task Each_refusal_has_its_sentence(int status, string header, string value, string expected)
    {
        _hub.Fault = _ => new FakeAnswer(status, []) { Headers = { [header] = value } };
        HubEnvironment environment = Environment() with { Token = "hf_secret", TokenSource = "a test" };
        string message = (await Assert.ThrowsAsync<LlmEmbedException>(() => Download(environment))).Message;
        Assert.Contains(expected, message, StringComparison.Ordinal);
        Assert.DoesNotContain("hf_secret", message, StringComparison.Ordinal);
        Assert.Single(_hub.Requests);
    }

    [Fact]
    public async Task Weights_that_can_run_code_are_refused_with_the_way_out()
    {
        _hub.Files.Remove(Weights);
        Assert.Contains("It holds pytorch_model.bin, which can run code and is not read.", await Refusal(), StringComparison.Ordinal);
        Assert.DoesNotContain(_hub.Requests, request => request.Path.EndsWith(".bin", StringComparison.Ordinal));
    }

    [Fact]
    public async Task The_parts_that_an_index_names_are_fetched()
    {
        _hub.Files.Remove(Weights);
        _hub.Files["part-1.safetensors"] = FakeHub.Bytes(10);
        _hub.Files["part-2.safetensors"] = FakeHub.Bytes(20);
        _hub.Files["part-3.safetensors"] = FakeHub.Bytes(30);
        _hub.Files["model.safetensors.index.json"] = Encoding.UTF8.GetBytes(
            "{\"weight_map\":{\"a\":\"part-1.safetensors\",\"b\":\"part-2.safetensors\",\"c\":\"part-1.safetensors\"}}");
        string snapshot = await Download();
        string?[] parts = [.. Directory.GetFiles(snapshot, "part-*").Select(Path.GetFileName).Order(StringComparer.Ordinal)];
        Assert.Equal(["part-1.safetensors", "part-2.safetensors"], parts);
    }

    [Fact]
    public async Task Offline_nothing_is_sent_and_what_is_missing_is_named()
    {
        HubEnvironment offline = Environment().Offline();
        string message = (await Assert.ThrowsAsync<LlmEmbedException>(() => Download(offline))).Message;
        Assert.Contains("it is not in the cache", message, StringComparison.Ordinal);
        Assert.Empty(_hub.Requests);
        string snapshot = await Download();
        _hub.Requests.Clear();
        Assert.Equal(snapshot, await Download(offline));
        File.Delete(Path.Combine(snapshot, Weights));
        message = (await Assert.ThrowsAsync<LlmEmbedException>(() => Download(offline))).Message;
        Assert.Contains("lacks model.safetensors, and nothing is downloaded because offline work was asked for", message, StringComparison.Ordinal);
        Assert.Empty(_hub.Requests);
    }

    [Theory]
    [InlineData("none may be made")]
    [InlineData("the file system has none")]
    public async Task Without_links_the_snapshot_holds_the_files_themselves(string why)
    {
        HubEnvironment environment = Environment() with
        {
            Link = why == "none may be made" ? null : (_, _) => throw new IOException("Function not implemented"),
        };
        string snapshot = await Download(environment);
        RequireRightFiles(snapshot);
        Assert.All(Wanted, path => Assert.Null(new FileInfo(Path.Combine(snapshot, path)).LinkTarget));
        Assert.Empty(Directory.GetFiles(Path.Combine(Repository, "blobs")));
        _hub.Requests.Clear();
        await Download(environment);
        Assert.Single(_hub.Requests);
    }

    [Fact]
    public async Task A_download_that_another_process_left_is_continued_from_its_longest_part()
    {
        string shorter = Unfinished("11111111", 60_000), longer = Unfinished("22222222", 70_000);
        RequireRightFiles(await Download());
        Assert.Equal(70_000, Assert.Single(_hub.Requests, IsWeights).RangeFrom);
        Assert.False(File.Exists(shorter));
        Assert.False(File.Exists(longer));
    }

    [Fact]
    public async Task Where_locks_say_nothing_only_what_has_not_grown_for_a_minute_is_continued()
    {
        string left = Unfinished("11111111", 60_000), growing = Unfinished("22222222", 70_000);
        File.SetLastWriteTimeUtc(left, DateTime.UtcNow.AddMinutes(-2));
        HubFile file = new(Weights, _hub.Files[Weights].Length, new string('a', 40), FakeHub.HashOf(Weights, _hub.Files[Weights]));
        HubBlobs blobs = new(Repository, FakeHub.Commit, link: null);
        string own = await blobs.BeginAsync(file, isAlone: false, TestContext.Current.CancellationToken);
        Assert.Equal(60_000, new FileInfo(own).Length);
        Assert.False(File.Exists(left));
        Assert.Equal(70_000, new FileInfo(growing).Length);
    }

    [Fact]
    public async Task What_another_process_fetches_is_waited_for()
    {
        string hash = FakeHub.HashOf(Weights, _hub.Files[Weights]);
        string path = Path.Combine(Directory.CreateDirectory(Path.Combine(_folder.Path, ".locks", "models--someone--tiny")).FullName, hash + ".lock");
        Task<string> download;
        using (new FileStream(path, FileMode.Create, FileAccess.ReadWrite, FileShare.None))
        {
            download = Download();
            while (_hub.Requests.Count < 5) await Task.Delay(10, TestContext.Current.CancellationToken); // all but the weights
            File.WriteAllBytes(Path.Combine(Repository, "blobs", hash), _hub.Files[Weights]);
        }
        RequireRightFiles(await download);
        Assert.DoesNotContain(_hub.Requests, IsWeights);
    }

    [Fact]
    public async Task Several_at_once_make_one_good_file()
    {
        await Task.WhenAll(Enumerable.Range(0, 4).Select(_ => Download()));
        RequireRightFiles(Path.Combine(Repository, "snapshots", FakeHub.Commit));
        Assert.Empty(Directory.GetFiles(Repository, "*.incomplete", SearchOption.AllDirectories));
    }

    [Fact]
    public async Task A_host_that_is_not_there_is_said_in_one_sentence()
    {
        HubEnvironment environment = Environment();
        _hub.Dispose();
        string message = (await Assert.ThrowsAsync<LlmEmbedException>(() => Download(environment))).Message;
        string expected = $"someone/tiny is not complete in the cache, and {environment.Endpoint} cannot be reached: ";
        Assert.StartsWith(expected, message, StringComparison.Ordinal);
        Assert.Equal([1, 2], _waits);
    }

    [Fact]
    public async Task Progress_counts_bytes_to_the_end_once()
    {
        List<WorkProgress> reports = [];
        await HubSnapshot.DownloadAsync(
            HubName.Parse(FakeHub.Id)!, Environment(), new ProgressCallback(reports.Add), TestContext.Current.CancellationToken);
        Assert.Equal(Wanted.Sum(path => _hub.Files[path].Length), reports[^1].Total);
        Assert.Single(reports, report => report.Done == report.Total);
    }

    /// <summary>The first bytes of the weights, as a download leaves them.</summary>
    private string Unfinished(string number, int bytes)
    {
        string blobs = Directory.CreateDirectory(Path.Combine(Repository, "blobs")).FullName;
        string path = Path.Combine(blobs, $"{FakeHub.HashOf(Weights, _hub.Files[Weights])}.{number}.llmembed.incomplete");
        File.WriteAllBytes(path, _hub.Files[Weights][..bytes]);
        return path;
    }

    private static bool IsWeights(FakeRequest request) => request.Path.EndsWith("/" + Weights, StringComparison.Ordinal);

    private static FakeAnswer Redirect(int status, string location) => new(status, []) { Headers = { ["Location"] = location } };

    private HubEnvironment Environment() => new()
    {
        Cache = _folder.Path,
        Endpoint = _hub.Endpoint,
        HubHosts = [],
        Wait = (time, _) =>
        {
            _waits.Enqueue(time.TotalSeconds);
            return Task.CompletedTask;
        },
    };

    private static async Task<string> PathOf(HubName name, HubEnvironment environment) =>
        (await HubSnapshot.DownloadAsync(name, environment, cancellationToken: TestContext.Current.CancellationToken)).Path!;

    private Task<string> Download(string name = FakeHub.Id) =>
        PathOf(HubName.Parse(name)!, Environment());

    private static Task<string> Download(HubEnvironment environment) =>
        PathOf(HubName.Parse(FakeHub.Id)!, environment);

    private async Task<string> Refusal() => (await Assert.ThrowsAsync<LlmEmbedException>(() => Download())).Message;

    private void RequireWeights(string snapshot) => Assert.Equal(_hub.Files[Weights], File.ReadAllBytes(Path.Combine(snapshot, Weights)));

    private void RequireRightFiles(string snapshot)
    {
        string[] found = [.. Directory.GetFiles(snapshot, "*", SearchOption.AllDirectories).Select(path => Path.GetRelativePath(snapshot, path))];
        Assert.Equal(Wanted, found.Order(StringComparer.Ordinal));
        Assert.All(Wanted, path => Assert.Equal(_hub.Files[path], File.ReadAllBytes(Path.Combine(snapshot, path))));
    }
}
