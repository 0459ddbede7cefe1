using LlmEmbed.Checkpoints;
using Xunit;

namespace LlmEmbed.Tests.Checkpoints;

[Collection(ProcessState.Name)]
public sealed class BackboneLocatorTests : IDisposable
{
    private readonly TemporaryFolder _folder = new();

    public void Dispose() => _folder.Dispose();

    [Fact]
    public void A_path_is_taken_as_it_is_and_gives_its_last_part_as_the_name()
    {
        string model = Model("place", "my-model");
        Assert.Equal(new LocatedBackbone("my-model", model), BackboneLocator.Find(model, []));
        Assert.Equal(new LocatedBackbone("my-model", model), BackboneLocator.Find(model + Path.DirectorySeparatorChar, []));
        using (ProcessState.WorkingFolder(_folder.File("place"))) Assert.Equal(model, BackboneLocator.Find("my-model", []).Path);
    }

    [Fact]
    public void A_folder_with_one_gguf_file_stands_for_the_file()
    {
        string folder = Directory.CreateDirectory(_folder.File("quantized")).FullName;
        string file = _folder.Write(Path.Combine("quantized", "weights.Q4_1.gguf"), "");
        Assert.Equal(new LocatedBackbone("quantized", file), BackboneLocator.Find(folder, []));
        Assert.Equal(new LocatedBackbone("quantized", file), BackboneLocator.Find("quantized", [_folder.Path]));
        Assert.Equal(new LocatedBackbone("weights.Q4_1.gguf", file), BackboneLocator.Find(file, []));
        _folder.Write(Path.Combine("quantized", "weights.Q8_0.gguf"), "");
        Assert.Contains(
            "holds 2 GGUF files. Name one of them.",
            Assert.Throws<LlmEmbedException>(() => BackboneLocator.Find(folder, [])).Message,
            StringComparison.Ordinal);
    }

    [Fact]
    public void Named_folders_come_before_the_variable_and_that_before_the_usual_places()
    {
        const string Starter = "all-minilm-l6-v2";
        string usual = BackboneLocator.Find(Starter, []).Path;
        Assert.Equal(Path.Combine(Repository.Models, Starter), usual);
        Model("first", "other");
        string second = Model("second", Starter);
        using (ProcessState.Variable(BackboneLocator.ModelsVariable, string.Join(Path.PathSeparator, _folder.File("first"), _folder.File("second"))))
        {
            Assert.Equal(new LocatedBackbone(Starter, second), BackboneLocator.Find(Starter, []));
            string named = Model("named", Starter);
            Assert.Equal(new LocatedBackbone(Starter, named), BackboneLocator.Find(Starter, [_folder.File("missing"), _folder.File("named")]));
        }
        Assert.Equal(usual, BackboneLocator.Find(Starter, []).Path);
    }

    [Fact]
    public void Models_above_the_working_folder_are_found()
    {
        string model = Model("models", "my-model");
        string work = Directory.CreateDirectory(_folder.File(Path.Combine("work", "deep"))).FullName;
        using (ProcessState.WorkingFolder(work)) Assert.Equal(new LocatedBackbone("my-model", model), BackboneLocator.Find("my-model", []));
    }

    [Fact]
    public void A_repository_is_found_in_the_hugging_face_cache()
    {
        using Several _ = HubCacheAt("HF_HUB_CACHE", _folder.Path);
        string snapshot = Snapshot(_folder.Path, "someone/some-model", "abc123");
        Reference("someone/some-model", "main", "abc123\n");
        Assert.Equal(new LocatedBackbone("someone/some-model", snapshot), BackboneLocator.TryFind("someone/some-model", []));
        Assert.Null(BackboneLocator.TryFind("some-model", []));
        Assert.Null(BackboneLocator.TryFind("someone/else/some-model", []));
        Reference("someone/some-model", "main", "def456");
        Assert.Null(BackboneLocator.TryFind("someone/some-model", []));
        Missing("someone/some-model", "(refs/main of someone/some-model there names the commit 'def456', which has no snapshot)");
    }

    [Theory]
    [InlineData("HF_HUB_CACHE", "")]
    [InlineData("HUGGINGFACE_HUB_CACHE", "")]
    [InlineData("HF_HOME", "hub")]
    [InlineData("XDG_CACHE_HOME", "huggingface/hub")]
    public void The_cache_is_where_the_variables_of_the_python_library_say(string variable, string below)
    {
        using Several _ = HubCacheAt(variable, _folder.File("here"));
        string snapshot = Snapshot(Path.Combine(_folder.File("here"), below), "someone/some-model", "1");
        Assert.Equal(snapshot, BackboneLocator.Find("someone/some-model", []).Path);
        Missing("someone/other", $"the Hugging Face cache {Path.GetFullPath(Path.Combine(_folder.File("here"), below)).TrimEnd('/')}");
        // Of several variables the strongest counts, and only that one.
        using IDisposable stronger = ProcessState.Variable("HF_HUB_CACHE", _folder.File("elsewhere"));
        if (variable != "HF_HUB_CACHE") Assert.Null(BackboneLocator.TryFind("someone/some-model", []));
    }

    [Theory]
    [InlineData("~/cache")]
    [InlineData("$LLMEMBED_TEST_PLACE/cache")]
    [InlineData("${LLMEMBED_TEST_PLACE}/cache")]
    public void The_home_folder_and_variables_inside_of_a_variable_are_expanded(string value)
    {
        using Several _ = HubCacheAt("HF_HUB_CACHE", value);
        using IDisposable place = ProcessState.Variable("LLMEMBED_TEST_PLACE", _folder.Path);
        using IDisposable home = ProcessState.Variable("HOME", _folder.Path);
        SkipUnlessHome();
        string snapshot = Snapshot(_folder.File("cache"), "someone/some-model", "1");
        Assert.Equal(snapshot, BackboneLocator.Find("someone/some-model", []).Path);
    }

    [Fact]
    public void The_cache_is_under_the_users_folder_where_no_variable_is_set()
    {
        using Several _ = HubCacheAt("HF_HUB_CACHE", "");
        using IDisposable home = ProcessState.Variable("HOME", _folder.Path);
        SkipUnlessHome();
        string snapshot = Snapshot(_folder.File(Path.Combine(".cache", "huggingface", "hub")), "someone/some-model", "1");
        Assert.Equal(snapshot, BackboneLocator.Find("someone/some-model", []).Path);
    }

    [Fact]
    public void The_only_snapshot_is_taken_where_the_main_branch_is_not_recorded()
    {
        using Several _ = HubCacheAt("HF_HUB_CACHE", _folder.Path);
        string first = Snapshot(_folder.Path, "bert-tiny", "aaa");
        Assert.Equal(new LocatedBackbone("bert-tiny", first), BackboneLocator.Find("bert-tiny", []));
        string second = Snapshot(_folder.Path, "bert-tiny", "bbb");
        string message = Assert.Throws<LlmEmbedException>(() => BackboneLocator.Find("bert-tiny", [])).Message;
        Assert.Contains("bert-tiny has 2 snapshots, and refs/main does not say which one is meant: aaa and bbb.", message, StringComparison.Ordinal);
        Assert.Equal(second, BackboneLocator.Find("bert-tiny@bbb", []).Path);
        Directory.CreateDirectory(_folder.File(Path.Combine("models--empty", "snapshots")));
        Missing("empty", "(it holds empty, but no snapshot of it)");
    }

    [Fact]
    public void A_revision_is_a_branch_or_a_commit()
    {
        using Several _ = HubCacheAt("HF_HUB_CACHE", _folder.Path);
        string main = Snapshot(_folder.Path, "someone/some-model", "aaa"), other = Snapshot(_folder.Path, "someone/some-model", "bbb");
        Reference("someone/some-model", "main", "aaa");
        Reference("someone/some-model", "v2", "bbb");
        Reference("someone/some-model", "refs/pr/1", "bbb");
        Assert.Equal(main, BackboneLocator.Find("someone/some-model", []).Path);
        foreach (string revision in (string[])["v2", "bbb", "refs/pr/1"])
            Assert.Equal(other, BackboneLocator.Find($"someone/some-model@{revision}", []).Path);
        Missing("someone/some-model@v3", "(it holds someone/some-model, but neither a branch nor a commit 'v3' of it)");
    }

    [Theory]
    [InlineData("someone/some-model@..")]
    [InlineData("someone/some-model@../../../x")]
    [InlineData("someone/...")]
    [InlineData("../x@main")]
    [InlineData("someone/some model")]
    public void A_name_that_could_lead_out_of_the_cache_is_not_looked_for_there(string name)
    {
        using Several _ = HubCacheAt("HF_HUB_CACHE", _folder.File("cache"));
        Snapshot(_folder.File("cache"), "someone/some-model", "1");
        string message = Assert.Throws<LlmEmbedException>(() => BackboneLocator.Find(name, [])).Message;
        Assert.DoesNotContain("Hugging Face cache", message, StringComparison.Ordinal);
    }

    [Fact]
    public void What_is_nowhere_is_an_error_that_says_where_was_looked()
    {
        LlmEmbedException error = Assert.Throws<LlmEmbedException>(() => BackboneLocator.Find("no-such-model", [_folder.Path]));
        Assert.Contains("Backbone 'no-such-model' was not found", error.Message, StringComparison.Ordinal);
        Assert.Contains(_folder.Path, error.Message, StringComparison.Ordinal);
        Assert.Contains(Repository.Models, error.Message, StringComparison.Ordinal);
        Assert.Contains("--models or LLMEMBED_MODELS", error.Message, StringComparison.Ordinal);
        Assert.Null(BackboneLocator.TryFind("", []));
    }

    [Fact]
    public void A_starter_that_is_nowhere_is_found_in_its_package()
    {
        foreach (Starter starter in Starter.All)
        {
            string advice = BackboneLocator.AdviceOn(starter.Name, hub: "");
            Assert.Contains($"add the NuGet package {starter.Package} to the program", advice, StringComparison.Ordinal);
            Assert.Contains("--models, LLMEMBED_MODELS or RuntimeOptions.ModelFolders", advice, StringComparison.Ordinal);
            Assert.Contains($"{starter.Repository} names the same model on the Hugging Face Hub", advice, StringComparison.Ordinal);
            string folder = Path.Combine(Repository.Root, "src", "LlmEmbed.Models", starter.Package["LlmEmbed.Models.".Length..]);
            string project = File.ReadAllText(Path.Combine(folder, $"{starter.Package}.csproj"));
            Assert.Contains($"<ModelFolder>{starter.Name}</ModelFolder>", project, StringComparison.Ordinal);
        }
    }

    [Fact]
    public void What_can_be_found_or_downloaded_is_told_without_a_network()
    {
        using Several _ = HubCacheAt("HF_HUB_CACHE", _folder.File("cache"));
        RuntimeOptions runtime = new() { ModelFolders = [_folder.Path] };
        Model("", "here");
        TextEncoder.RequireFindable("here", runtime);
        Assert.Contains(
            "'no-such-model' was not found",
            Assert.Throws<LlmEmbedException>(() => TextEncoder.RequireFindable("no-such-model", runtime)).Message,
            StringComparison.Ordinal);
        using IDisposable online = ProcessState.Variable("HF_HUB_OFFLINE", null);
        TextEncoder.RequireFindable("someone/some-model", runtime);
        RuntimeOptions offlineRuntime = runtime with { Offline = true };
        string offline = Assert.Throws<LlmEmbedException>(() => TextEncoder.RequireFindable("someone/some-model", offlineRuntime)).Message;
        Assert.Contains("was not looked for on the Hugging Face Hub because", offline, StringComparison.Ordinal);
    }

    private static void SkipUnlessHome() => Assert.SkipWhen(
        Environment.GetFolderPath(Environment.SpecialFolder.UserProfile) != Environment.GetEnvironmentVariable("HOME"),
        "the user's folder is not taken from HOME on this system");

    private static void Missing(string name, string expected) =>
        Assert.Contains(expected, Assert.Throws<LlmEmbedException>(() => BackboneLocator.Find(name, [])).Message, StringComparison.Ordinal);

    /// <summary>Sets one of the variables that say where the cache is and clears the others.</summary>
    private static Several HubCacheAt(string variable, string value)
    {
        string[] all = ["HF_HUB_CACHE", "HUGGINGFACE_HUB_CACHE", "HF_HOME", "XDG_CACHE_HOME"];
        return new Several([.. all.Select(name => ProcessState.Variable(name, name == variable && value.Length > 0 ? value : null))]);
    }

    private static string Snapshot(string cache, string repository, string commit)
    {
        string name = "models--" + repository.Replace("/", "--", StringComparison.Ordinal);
        string folder = Directory.CreateDirectory(Path.GetFullPath(Path.Combine(cache, name, "snapshots", commit))).FullName;
        File.WriteAllText(Path.Combine(folder, "config.json"), "{}");
        return folder;
    }

    private void Reference(string repository, string branch, string commit)
    {
        string file = _folder.File(Path.Combine("models--" + repository.Replace("/", "--", StringComparison.Ordinal), "refs", branch));
        Directory.CreateDirectory(Path.GetDirectoryName(file)!);
        File.WriteAllText(file, commit);
    }

    private sealed class Several(IDisposable[] parts) : IDisposable
    {
        public void Dispose() => Array.ForEach(parts, part => part.Dispose());
    }

    private string Model(string place, string name)
    {
        string folder = Directory.CreateDirectory(_folder.File(Path.Combine(place, name))).FullName;
        File.WriteAllText(Path.Combine(folder, "config.json"), "{}");
        return folder;
    }
}
