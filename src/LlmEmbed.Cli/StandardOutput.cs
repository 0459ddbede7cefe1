using System.Runtime.InteropServices;
using System.Text;

namespace LlmEmbed.Cli;

/// <summary>
/// Standard output as bytes. .NET's own stream takes a reader that is gone for one that has read everything, so a tool would work on for nobody; this
/// one fails with <see cref="ReaderGoneException"/>. Writes go to where the stream stands, since programs of one shell command may share it.
/// </summary>
internal sealed partial class StandardOutput : Stream
{
    public override bool CanRead => false;

    public override bool CanSeek => false;

    public override bool CanWrite => true;

    public override long Length => throw new NotSupportedException();

    public override long Position
    {
        get => throw new NotSupportedException();
        set => throw new NotSupportedException();
    }

    public override void Write(ReadOnlySpan<byte> buffer)
    {
        while (buffer.Length > 0) buffer = buffer[(OperatingSystem.IsWindows() ? Windows.Write(buffer) : Unix.Write(buffer))..];
    }

    public override void Write(byte[] buffer, int offset, int count) => Write(buffer.AsSpan(offset, count));

    public override void Flush()
    {
    }

    public override int Read(byte[] buffer, int offset, int count) => throw new NotSupportedException();

    public override long Seek(long offset, SeekOrigin origin) => throw new NotSupportedException();

    public override void SetLength(long value) => throw new NotSupportedException();

    private static IOException Failure(int error) =>
        new($"standard output cannot be written: {Marshal.GetPInvokeErrorMessage(error).TrimEnd('.', '\n', '\r')}.");

    private static partial class Unix
    {
        private const int Interrupted = 4, BrokenPipe = 32;

        private static int TryAgain => OperatingSystem.IsLinux() ? 11 : 35;

        /// <returns>How many bytes were taken.</returns>
        public static int Write(ReadOnlySpan<byte> bytes)
        {
            nint written = Write(descriptor: 1, bytes, (nuint)bytes.Length);
            if (written >= 0) return (int)written;
            int error = Marshal.GetLastPInvokeError();
            if (error == BrokenPipe) throw new ReaderGoneException();
            if (error == TryAgain) Thread.Sleep(1); // another program that shares the pipe made it one that does not wait
            else if (error != Interrupted) throw Failure(error);
            return 0;
        }

        [LibraryImport("libc", EntryPoint = "write", SetLastError = true)]
        private static partial nint Write(int descriptor, ReadOnlySpan<byte> bytes, nuint count);
    }

    private static partial class Windows
    {
        private const int OutputHandle = -11, BrokenPipe = 109, PipeIsClosing = 232;

        /// <returns>How many bytes were taken.</returns>
        public static int Write(ReadOnlySpan<byte> bytes)
        {
            if (WriteFile(GetStdHandle(OutputHandle), bytes, bytes.Length, out int written, overlapped: 0)) return written;
            int error = Marshal.GetLastPInvokeError();
            throw error is BrokenPipe or PipeIsClosing ? new ReaderGoneException() : Failure(error);
        }

        [LibraryImport("kernel32")]
        private static partial nint GetStdHandle(int number);

        [LibraryImport("kernel32", SetLastError = true)]
        [return: MarshalAs(UnmanagedType.Bool)]
        private static partial bool WriteFile(nint handle, ReadOnlySpan<byte> bytes, int count, out int written, nint overlapped);
    }
}

/// <summary>Nobody reads standard output any more, as behind <c>| head</c>.</summary>
internal sealed class ReaderGoneException() : IOException("the reader of standard output is gone.");

/// <summary>
/// Takes what a command prints at its end. If it cannot be written, the first reason is kept and the rest is dropped, so that files which were asked
/// for beside it are written all the same.
/// </summary>
internal sealed class PrintedOutput(TextWriter writer) : TextWriter(writer.FormatProvider)
{
    /// <summary>Why something could not be written; null if everything was.</summary>
    public IOException? Failure { get; private set; }

    public override Encoding Encoding => writer.Encoding;

    public override void Write(char value) => Write([value]);

    public override void Write(string? value) => Write(value.AsSpan());

    public override void Write(char[] buffer, int index, int count) => Write(buffer.AsSpan(index, count));

    public override void Write(ReadOnlySpan<char> buffer)
    {
        if (Failure is not null) return;
        try
        {
            writer.Write(buffer);
        }
        catch (IOException exception)
        {
            Failure = exception;
        }
    }

    public override void WriteLine(string? value) => Write(value + NewLine);
}
