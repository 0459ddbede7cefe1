using System.Runtime.InteropServices;
using LlmEmbed.Files;
using Xunit;

namespace LlmEmbed.Tests.Files;

public sealed partial class FileIdentityTests : IDisposable
{
    private readonly TemporaryFolder _folder = new();

    [Fact]
    public void Every_way_to_a_file_gives_its_identity_and_no_other_file_has_it()
    {
        Directory.CreateDirectory(_folder.File("real"));
        string file = _folder.Write("real/a.csv", "text\n"), other = _folder.Write("b.csv", "text\n");
        Directory.CreateSymbolicLink(_folder.File("linked"), _folder.File("real"));
        File.CreateSymbolicLink(_folder.File("link.csv"), file);
        FileIdentity identity = Of(file);
        Assert.True(identity.IsRegularFile);
        Assert.Equal(identity, Of(_folder.File("linked/a.csv")));
        Assert.Equal(identity, Of(_folder.File("link.csv")));
        Assert.Equal(identity, Of(Path.Combine(_folder.Path, "real", "..", "linked", ".", "a.csv")));
        Assert.NotEqual(identity, Of(other));
        Assert.Null(FileIdentity.OfPath(_folder.File("nowhere")));
    }

    [Fact]
    public void A_hard_link_is_the_same_file()
    {
        Assert.SkipWhen(OperatingSystem.IsWindows(), "made by a call that Windows does not have");
        string file = _folder.Write("a.csv", "text\n"), link = _folder.File("b.csv");
        Assert.Equal(0, HardLink(file, link));
        Assert.Equal(Of(file), Of(link));
    }

    [Fact]
    public void Folders_devices_and_files_are_told_apart()
    {
        FileIdentity folder = Of(_folder.Path);
        Assert.True(folder is { IsFolder: true, IsRegularFile: false });
        Assert.SkipUnless(File.Exists("/dev/null"), "there is no /dev/null");
        Assert.True(Of("/dev/null") is { IsFolder: false, IsRegularFile: false });
    }

    [Fact]
    public void Links_are_followed_to_where_nothing_is_yet()
    {
        File.CreateSymbolicLink(_folder.File("one"), "two");
        File.CreateSymbolicLink(_folder.File("two"), "three");
        Assert.Equal(_folder.File("three"), FileIdentity.Follow(_folder.File("one")));
        Assert.Equal(_folder.File("three"), FileIdentity.Follow(_folder.File("three")));
    }

    public void Dispose() => _folder.Dispose();

    /// <summary>Makes a hard link; 0 if that succeeded.</summary>
    [LibraryImport("libc", EntryPoint = "link", StringMarshalling = StringMarshalling.Utf8)]
    internal static partial int HardLink(string file, string link);

    private static FileIdentity Of(string path) => Assert.NotNull(FileIdentity.OfPath(path));
}
