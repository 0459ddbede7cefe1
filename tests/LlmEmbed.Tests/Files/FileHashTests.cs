using System.Security.Cryptography;
using System.Text;
using LlmEmbed.Files;
using Xunit;

namespace LlmEmbed.Tests.Files;

public sealed class FileHashTests : IDisposable
{
    private readonly TemporaryFolder _folder = new();

    public void Dispose() => _folder.Dispose();

    [Fact]
    public void The_hash_is_that_of_the_files_hashes_in_their_order()
    {
        string a = _folder.Write("a", "some text"), b = _folder.Write("b", new byte[3 << 20]);
        string lines = string.Concat(new[] { a, b }.Select(file => Convert.ToHexStringLower(SHA256.HashData(File.ReadAllBytes(file))) + "\n"));
        string expected = Convert.ToHexStringLower(SHA256.HashData(Encoding.UTF8.GetBytes(lines)));
        List<WorkProgress> reports = [];
        Assert.Equal(expected, FileHash.OfAll([a, b], new ProgressCallback(reports.Add), TestContext.Current.CancellationToken));
        Assert.Empty(reports); // less than 64 MiB are read without a report
        Assert.NotEqual(expected, FileHash.OfAll([b, a], cancellationToken: TestContext.Current.CancellationToken));
    }

    [Fact]
    public void A_large_file_reports_the_bytes_that_were_read_and_can_be_cancelled()
    {
        const long Bytes = (130L << 20) + 7;
        string path = _folder.File("large");
        using (FileStream file = File.Create(path)) file.SetLength(Bytes); // a file of zeros that takes no room on the disk
        List<WorkProgress> reports = [];
        FileHash.OfAll([path], new ProgressCallback(reports.Add), TestContext.Current.CancellationToken);
        Assert.Equal([64L << 20, 128L << 20, Bytes], reports.Select(report => report.Done));
        Assert.All(reports, report => Assert.Equal((Bytes, "bytes"), (report.Total, report.Unit)));

        using CancellationTokenSource source = new();
        ProgressCallback cancel = ProgressCallback.CancelWhen(source, _ => true);
        Assert.ThrowsAny<OperationCanceledException>(() => FileHash.OfAll([path], cancel, source.Token));
    }

    [Fact]
    public void A_file_that_is_missing_is_named()
    {
        string path = _folder.File("none");
        LlmEmbedException error = Assert.Throws<LlmEmbedException>(
            () => FileHash.OfAll([path], cancellationToken: TestContext.Current.CancellationToken));
        Assert.Equal($"{path}: the file cannot be read: there is no such file.", error.Message);
    }
}
