using System.Runtime.Intrinsics.X86;

namespace LlmEmbed.Engine;

/// <summary>The processor's cores.</summary>
internal static class Cores
{
    /// <summary>How many cores this process may use. Two hardware threads of one core share its units for products, so they count once.</summary>
    public static int Usable { get; } = Count(Environment.ProcessorCount);

    private static int Count(int logical)
    {
        const int Topology = 0xB; // level 0: threads of a core; level 1: threads of the package
        if (!X86Base.IsSupported || X86Base.CpuId(0, 0).Eax < Topology) return logical;
        int perCore = X86Base.CpuId(Topology, 0).Ebx & 0xFFFF, perPackage = X86Base.CpuId(Topology, 1).Ebx & 0xFFFF;
        // Where the process may use a part of the machine only, nothing says that its threads share cores.
        return perCore > 1 && logical >= perPackage ? Math.Max(1, logical / perCore) : logical;
    }
}
