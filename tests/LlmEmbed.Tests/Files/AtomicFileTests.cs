using System.Runtime.Versioning;
using LlmEmbed.Files;
using Xunit;

namespace LlmEmbed.Tests.Files;

public sealed class AtomicFileTests : IDisposable
{
    private readonly TemporaryFolder _folder = new();

    [Fact]
    public void A_file_that_is_not_committed_leaves_the_old_one_and_no_trace()
    {
        string path = _folder.Write("file", "old");
        using (AtomicFile file = new(path)) file.Write("new"u8);
        Assert.Equal("old", File.ReadAllText(path));
        Assert.Equal([path], Directory.GetFileSystemEntries(_folder.Path));
    }

    [Fact]
    public void A_link_stays_a_link_and_its_file_is_replaced()
    {
        Directory.CreateDirectory(_folder.File("other"));
        string file = _folder.Write("other/file", "old"), link = _folder.File("link"), dangling = _folder.File("dangling");
        File.CreateSymbolicLink(link, Path.Combine("other", "file"));
        File.CreateSymbolicLink(dangling, Path.Combine("other", "new"));
        AtomicFile.WriteText(link, "new");
        AtomicFile.WriteText(dangling, "made");
        Assert.Equal("new", File.ReadAllText(file));
        Assert.Equal("made", File.ReadAllText(_folder.File("other/new")));
        Assert.NotNull(new FileInfo(link).LinkTarget);
        Assert.NotNull(new FileInfo(dangling).LinkTarget);
        Assert.Equal(2, Directory.GetFileSystemEntries(_folder.File("other")).Length);
    }

    [Fact]
    [UnsupportedOSPlatform("windows")]
    public void Permissions_of_the_old_file_are_kept()
    {
        Assert.SkipWhen(OperatingSystem.IsWindows(), "Windows has no such permissions");
        const UnixFileMode Mode = UnixFileMode.UserRead | UnixFileMode.UserWrite | UnixFileMode.GroupRead | UnixFileMode.OtherExecute;
        string path = _folder.Write("file", "old");
        File.SetUnixFileMode(path, Mode);
        AtomicFile.WriteText(path, "new");
        Assert.Equal(Mode, File.GetUnixFileMode(path));
        Assert.Equal("new", File.ReadAllText(path));
    }

    [Fact]
    public void A_file_that_is_protected_from_writing_is_not_replaced()
    {
        string path = _folder.Write("file", "old");
        File.SetAttributes(path, FileAttributes.ReadOnly);
        LlmEmbedException error = Assert.Throws<LlmEmbedException>(() => AtomicFile.WriteText(path, "new"));
        File.SetAttributes(path, FileAttributes.Normal);
        Assert.Contains("access is denied", error.Message, StringComparison.Ordinal);
        Assert.Equal("old", File.ReadAllText(path));
        Assert.Equal([path], Directory.GetFileSystemEntries(_folder.Path));
    }

    [Fact]
    public void A_device_is_written_directly()
    {
        Assert.SkipUnless(File.Exists("/dev/full"), "there is no /dev/full");
        AtomicFile.RequireWritable("/dev/null");
        AtomicFile.WriteText("/dev/null", "nothing");
        LlmEmbedException error = Assert.Throws<LlmEmbedException>(() => AtomicFile.WriteText("/dev/full", "too much"));
        Assert.Equal("/dev/full", error.FilePath);
        Assert.DoesNotContain(Directory.GetFileSystemEntries("/dev"), path => path.EndsWith(AtomicFile.TemporarySuffix, StringComparison.Ordinal));
    }

    [Fact]
    public void A_folder_is_refused_before_anything_is_written()
    {
        string folder = Directory.CreateDirectory(_folder.File("folder")).FullName;
        Assert.Contains("this is a folder", Assert.Throws<LlmEmbedException>(() => new AtomicFile(folder)).Message, StringComparison.Ordinal);
        Assert.Equal([folder], Directory.GetFileSystemEntries(_folder.Path));
    }

    [Fact]
    public void Links_in_a_circle_are_an_error_that_leaves_nothing()
    {
        string one = _folder.File("one"), two = _folder.File("two");
        File.CreateSymbolicLink(one, two);
        File.CreateSymbolicLink(two, one);
        Assert.Equal(one, Assert.Throws<LlmEmbedException>(() => AtomicFile.WriteText(one, "new")).FilePath);
        Assert.Equal(2, Directory.GetFileSystemEntries(_folder.Path).Length);
    }

    [Fact]
    public void A_folder_is_writable_whether_it_is_there_or_not_and_the_check_leaves_nothing()
    {
        AtomicFile.RequireWritableFolder(_folder.Path);
        AtomicFile.RequireWritableFolder(_folder.File("a/b/c"));
        Assert.Empty(Directory.GetFileSystemEntries(_folder.Path));
        string file = _folder.Write("file", "");
        foreach (string folder in new[] { file, Path.Combine(file, "below") })
            Assert.Equal(folder, Assert.Throws<LlmEmbedException>(() => AtomicFile.RequireWritableFolder(folder)).FilePath);
    }

    public void Dispose() => _folder.Dispose();
}
