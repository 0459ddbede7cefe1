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
        string repository = _folder.File(Path.Combine("hub", "models--someone--some-model"));
        string snapshot = Directory.CreateDirectory(Path.Combine(repository, "snapshots", "abc123")).FullName;
        File.WriteAllText(Path.Combine(snapshot, "config.json"), "{}");
        Directory.CreateDirectory(Path.Combine(repository, "refs"));
        using (ProcessState.Variable("HF_HOME", _folder.Path))
        {
            Assert.Null(BackboneLocator.TryFind("someone/some-model", []));
            File.WriteAllText(Path.Combine(repository, "refs", "main"), "abc123\n");
            Assert.Equal(new LocatedBackbone("someone/some-model", snapshot), BackboneLocator.TryFind("someone/some-model", []));
            Assert.Null(BackboneLocator.TryFind("some-model", []));
            Assert.Null(BackboneLocator.TryFind("someone/else/some-model", []));
            File.WriteAllText(Path.Combine(repository, "refs", "main"), "def456");
            Assert.Null(BackboneLocator.TryFind("someone/some-model", []));
        }
    }

    [Fact]
    public void The_cache_is_under_the_users_folder_where_the_variable_is_not_set()
    {
        using IDisposable _ = ProcessState.Variable("HF_HOME", null);
        using IDisposable home = ProcessState.Variable("HOME", _folder.Path);
        Assert.SkipWhen(
            Environment.GetFolderPath(Environment.SpecialFolder.UserProfile) != _folder.Path,
            "the user's folder is not taken from HOME on this system");
        string repository = _folder.File(Path.Combine(".cache", "huggingface", "hub", "models--someone--some-model"));
        string snapshot = Directory.CreateDirectory(Path.Combine(repository, "snapshots", "1")).FullName;
        Directory.CreateDirectory(Path.Combine(repository, "refs"));
        File.WriteAllText(Path.Combine(repository, "refs", "main"), "1");
        Assert.Equal(snapshot, BackboneLocator.Find("someone/some-model", []).Path);
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

    private string Model(string place, string name)
    {
        string folder = Directory.CreateDirectory(_folder.File(Path.Combine(place, name))).FullName;
        File.WriteAllText(Path.Combine(folder, "config.json"), "{}");
        return folder;
    }
}
