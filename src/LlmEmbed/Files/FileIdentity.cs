using System.Buffers.Binary;
using System.Runtime.InteropServices;
using Microsoft.Win32.SafeHandles;

namespace LlmEmbed.Files;

/// <summary>
/// Which file or folder a path leads to, whatever the path is spelled like: two paths through symbolic links, hard links, linked folders or another
/// case have equal identities if they lead to the same file. An identity holds while the file exists.
/// </summary>
public readonly partial record struct FileIdentity
{
    private readonly UInt128 _volume;
    private readonly UInt128 _number;
    private readonly Kind _kind;

    private FileIdentity(UInt128 volume, UInt128 number, Kind kind) => (_volume, _number, _kind) = (volume, number, kind);

    private enum Kind
    {
        RegularFile,
        Folder,

        /// <summary>A pipe, a device or a socket.</summary>
        Other,
    }

    /// <summary>Whether this is a file with bytes that stay, and no folder, pipe or device.</summary>
    public bool IsRegularFile => _kind == Kind.RegularFile;

    /// <summary>Whether this is a folder.</summary>
    public bool IsFolder => _kind == Kind.Folder;

    /// <summary>What a path leads to, links followed.</summary>
    /// <param name="path">A path, absolute or relative.</param>
    /// <returns>Null if nothing is there, or if the system does not say what it is.</returns>
    public static FileIdentity? OfPath(string path)
    {
        ArgumentNullException.ThrowIfNull(path);
        if (path.Length == 0 || path.Contains('\0', StringComparison.Ordinal)) return null;
        return OperatingSystem.IsWindows() ? Windows.OfPath(path)
            : OperatingSystem.IsLinux() ? Linux.Of(Linux.WorkingFolder, path, flags: 0)
            : OperatingSystem.IsMacOS() ? MacOS.OfPath(path)
            : null;
    }

    /// <summary>Where a symbolic link leads in the end, even if nothing is there yet; a path that is no link leads to itself.</summary>
    /// <param name="path">A path, absolute or relative.</param>
    public static string Follow(string path)
    {
        try
        {
            return new FileInfo(path) is { LinkTarget: not null } link ? link.ResolveLinkTarget(returnFinalTarget: true)!.FullName : path;
        }
        catch (Exception exception) when (exception is IOException or UnauthorizedAccessException)
        {
            return path; // links in a circle: whoever opens the path says so
        }
    }

    /// <summary>What a standard stream of this process is connected to.</summary>
    /// <param name="number">0 for the input, 1 for the output, 2 for errors.</param>
    /// <returns>Null if the stream is closed, or if the system does not say what it is.</returns>
    public static FileIdentity? OfStandardStream(int number) =>
        OperatingSystem.IsWindows() ? Windows.OfStandardStream(number)
            : OperatingSystem.IsLinux() ? Linux.Of(number, "", Linux.EmptyPath)
            : OperatingSystem.IsMacOS() ? MacOS.OfDescriptor(number)
            : null;

    /// <param name="volume">The device.</param>
    /// <param name="inode">The number of the file on it.</param>
    /// <param name="mode">Type and permissions, as every Unix encodes them.</param>
    private static FileIdentity OfUnix(ulong volume, ulong inode, ushort mode)
    {
        const int TypeMask = 0xF000, Folder = 0x4000, Regular = 0x8000;
        return new(volume, inode, (mode & TypeMask) switch { Folder => Kind.Folder, Regular => Kind.RegularFile, _ => Kind.Other });
    }

    /// <summary>statx, whose structure is the same on every processor.</summary>
    private static partial class Linux
    {
        public const int WorkingFolder = -100, EmptyPath = 0x1000;

        private const uint TypeAndInode = 0x1 | 0x100;
        private const int StructBytes = 256, ModeAt = 28, InodeAt = 32, MajorAt = 136, MinorAt = 140;

        public static FileIdentity? Of(int folder, string path, int flags)
        {
            Span<byte> facts = stackalloc byte[StructBytes];
            if (Stat(folder, path, flags, TypeAndInode, facts) != 0) return null;
            uint major = BitConverter.ToUInt32(facts[MajorAt..]), minor = BitConverter.ToUInt32(facts[MinorAt..]);
            return OfUnix((ulong)major << 32 | minor, BitConverter.ToUInt64(facts[InodeAt..]), BitConverter.ToUInt16(facts[ModeAt..]));
        }

        [LibraryImport("libc", EntryPoint = "statx", StringMarshalling = StringMarshalling.Utf8)]
        private static partial int Stat(int folder, string path, int flags, uint mask, Span<byte> facts);
    }

    /// <summary>stat with inodes of 64 bits, which has a name of its own on Intel processors.</summary>
    private static partial class MacOS
    {
        private const int StructBytes = 144, DeviceAt = 0, ModeAt = 4, InodeAt = 8;

        private static bool IsIntel => RuntimeInformation.ProcessArchitecture == Architecture.X64;

        public static FileIdentity? OfPath(string path)
        {
            Span<byte> facts = stackalloc byte[StructBytes];
            return (IsIntel ? StatOnIntel(path, facts) : Stat(path, facts)) == 0 ? Read(facts) : null;
        }

        public static FileIdentity? OfDescriptor(int descriptor)
        {
            Span<byte> facts = stackalloc byte[StructBytes];
            return (IsIntel ? StatDescriptorOnIntel(descriptor, facts) : StatDescriptor(descriptor, facts)) == 0 ? Read(facts) : null;
        }

        private static FileIdentity Read(ReadOnlySpan<byte> facts) => OfUnix(
            BitConverter.ToUInt32(facts[DeviceAt..]), BitConverter.ToUInt64(facts[InodeAt..]), BitConverter.ToUInt16(facts[ModeAt..]));

        [LibraryImport("libc", EntryPoint = "stat", StringMarshalling = StringMarshalling.Utf8)]
        private static partial int Stat(string path, Span<byte> facts);

        [LibraryImport("libc", EntryPoint = "stat$INODE64", StringMarshalling = StringMarshalling.Utf8)]
        private static partial int StatOnIntel(string path, Span<byte> facts);

        [LibraryImport("libc", EntryPoint = "fstat")]
        private static partial int StatDescriptor(int descriptor, Span<byte> facts);

        [LibraryImport("libc", EntryPoint = "fstat$INODE64")]
        private static partial int StatDescriptorOnIntel(int descriptor, Span<byte> facts);
    }

    /// <summary>The number of a volume and the file's number on it, of 128 bits.</summary>
    private static partial class Windows
    {
        private const uint ShareAll = 7, OpenExisting = 3, OpenFoldersToo = 0x0200_0000;
        private const int DiskFile = 1, AttributesClass = 9, IdentityClass = 18, IdentityBytes = 24, AttributesBytes = 8, FolderAttribute = 0x10;

        private static ulong s_others;

        public static FileIdentity? OfPath(string path)
        {
            using SafeFileHandle handle = CreateFile(path, access: 0, ShareAll, 0, OpenExisting, OpenFoldersToo, 0);
            return handle.IsInvalid ? null : Of(handle);
        }

        public static FileIdentity? OfStandardStream(int number)
        {
            using SafeFileHandle handle = new(GetStandardHandle(-10 - number), ownsHandle: false);
            return handle.IsInvalid || handle.DangerousGetHandle() == 0 ? null : Of(handle);
        }

        private static FileIdentity? Of(SafeFileHandle handle)
        {
            // Pipes and devices have no identity here: each is equal to no other.
            if (GetFileType(handle) != DiskFile) return new(0, Interlocked.Increment(ref s_others), Kind.Other);
            Span<byte> identity = stackalloc byte[IdentityBytes], attributes = stackalloc byte[AttributesBytes];
            if (!GetFileInformation(handle, IdentityClass, identity, IdentityBytes)) return null;
            bool isFolder = GetFileInformation(handle, AttributesClass, attributes, AttributesBytes)
                && (BinaryPrimitives.ReadUInt32LittleEndian(attributes) & FolderAttribute) != 0;
            return new(
                BinaryPrimitives.ReadUInt64LittleEndian(identity),
                BinaryPrimitives.ReadUInt128LittleEndian(identity[8..]),
                isFolder ? Kind.Folder : Kind.RegularFile);
        }

        [LibraryImport("kernel32", EntryPoint = "CreateFileW", StringMarshalling = StringMarshalling.Utf16)]
        private static partial SafeFileHandle CreateFile(
            string path, uint access, uint share, nint security, uint disposition, uint flags, nint template);

        [LibraryImport("kernel32", EntryPoint = "GetStdHandle")]
        private static partial nint GetStandardHandle(int number);

        [LibraryImport("kernel32", EntryPoint = "GetFileType")]
        private static partial int GetFileType(SafeFileHandle handle);

        [LibraryImport("kernel32", EntryPoint = "GetFileInformationByHandleEx")]
        [return: MarshalAs(UnmanagedType.Bool)]
        private static partial bool GetFileInformation(SafeFileHandle handle, int kind, Span<byte> information, int bytes);
    }
}
