using System.Runtime.InteropServices;
using System.Runtime.Intrinsics;
using System.Runtime.Intrinsics.Arm;
using System.Runtime.Intrinsics.X86;

namespace LlmEmbed.Engine;

/// <summary>
/// The instruction sets by which the engine and the operators of this project choose their code. Processors of one kind give the same bits; others
/// may give other last bits, since sums are formed in another order.
/// </summary>
internal static class ProcessorKind
{
    /// <summary>The architecture and the sets that are there, such as "x64 avx2 fma avx512f vnni".</summary>
    public static string Describe()
    {
        string architecture = RuntimeInformation.ProcessArchitecture.ToString().ToLowerInvariant();
        return string.Join(' ', Sets().Where(set => set.IsThere).Select(set => set.Name).Prepend(architecture));
    }

    private static IEnumerable<(string Name, bool IsThere)> Sets() =>
    [
        ("avx2", Avx2.IsSupported),
        ("fma", Fma.IsSupported),
        ("avx512f", Avx512F.IsSupported),
        ("avx512bw", Avx512BW.IsSupported),
        ("vnni", HasX86(subleaf: 0, ecx: 1 << 11)),
        ("avxvnni", HasX86(subleaf: 1, eax: 1 << 4)),
        ("amx-int8", HasX86(subleaf: 0, edx: 1 << 25)),
        ("wide", Vector512.IsHardwareAccelerated),
        ("dotprod", Dp.IsSupported),
    ];

    /// <summary>Whether CPUID's leaf of extended features has a bit.</summary>
    private static bool HasX86(int subleaf, int eax = 0, int ecx = 0, int edx = 0)
    {
        const int Features = 7;
        if (!X86Base.IsSupported || X86Base.CpuId(0, 0).Eax < Features) return false;
        (int Eax, int Ebx, int Ecx, int Edx) found = X86Base.CpuId(Features, subleaf);
        return (found.Eax & eax) != 0 || (found.Ecx & ecx) != 0 || (found.Edx & edx) != 0;
    }
}
