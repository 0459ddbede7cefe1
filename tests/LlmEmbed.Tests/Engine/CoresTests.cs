using LlmEmbed.Engine;
using Xunit;

namespace LlmEmbed.Tests.Engine;

public sealed class CoresTests
{
    [Fact]
    public void Two_threads_of_a_core_count_once_as_the_kernel_tells_it()
    {
        const string Folder = "/sys/devices/system/cpu";
        Assert.SkipUnless(Directory.Exists(Folder), "this system does not tell which threads share a core");
        IEnumerable<string> files = Directory.GetDirectories(Folder, "cpu*").Select(cpu => Path.Combine(cpu, "topology", "thread_siblings_list"));
        string[] siblings = [.. files.Where(File.Exists).Select(File.ReadAllText)];
        Assert.SkipUnless(siblings.Length == Environment.ProcessorCount, "the process may use a part of the machine only");
        Assert.Equal(siblings.Distinct().Count(), Cores.Usable);
    }
}
