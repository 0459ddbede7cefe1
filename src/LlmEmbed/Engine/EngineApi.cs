using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;
using System.Text;
using Microsoft.ML.OnnxRuntime;

namespace LlmEmbed.Engine;

/// <summary>
/// Registers operators written in C# with the engine, which its managed interface has no way to do: the part of ONNX Runtime's C interface that
/// custom operators need (onnxruntime_c_api.h; positions in its function table never change, by its own rule).
/// </summary>
internal static unsafe class EngineApi
{
    /// <summary>The domain of the operators of <see cref="FusedOperators"/>.</summary>
    public const string Domain = "llmembed";

    private const uint ApiVersion = 17;

    /// <summary>The last version of the operator's structure whose fields are all given here.</summary>
    private const uint OperatorVersion = 15;

    private static readonly nint* Functions = LoadFunctions();

    private static readonly Lazy<nint> OperatorDomain = new(CreateDomain);

    /// <summary>The engine's version.</summary>
    public static string Version => OrtEnv.Instance().GetVersionString();

    public static void AddOperators(SessionOptions options) =>
        Check(((delegate* unmanaged[Cdecl]<nint, nint, nint>)Functions[28])(options.DangerousGetHandle(), OperatorDomain.Value)); // AddCustomOpDomain

    [DllImport("onnxruntime", EntryPoint = "OrtGetApiBase", CallingConvention = CallingConvention.Cdecl)]
    [DefaultDllImportSearchPaths(DllImportSearchPath.SafeDirectories | DllImportSearchPath.AssemblyDirectory)]
    private static extern nint* GetApiBase();

    private static nint* LoadFunctions()
    {
        // The engine's managed part finds its native library wherever it was deployed; asking it something first loads it.
        OrtEnv engine = OrtEnv.Instance();
        engine.DisableTelemetryEvents(); // on Windows events also go to the system's tracing; EngineTelemetry switched off the rest
        return ((delegate* unmanaged[Cdecl]<uint, nint*>)GetApiBase()[0])(ApiVersion);
    }

    private static void Check(nint status)
    {
        if (status == 0) return;
        string message = Marshal.PtrToStringUTF8(((delegate* unmanaged[Cdecl]<nint, nint>)Functions[2])(status)) ?? ""; // GetErrorMessage
        throw new InvalidOperationException($"ONNX Runtime: {message}");
    }

    /// <summary>One domain for the life of the process: sessions only refer to it.</summary>
    private static nint CreateDomain()
    {
        nint domain;
        fixed (byte* name = Encoding.UTF8.GetBytes(Domain + '\0'))
            Check(((delegate* unmanaged[Cdecl]<byte*, nint*, nint>)Functions[26])(name, &domain)); // CreateCustomOpDomain
        for (int index = 0; index < FusedOperators.All.Length; index++)
        {
            CustomOperator* custom = (CustomOperator*)NativeMemory.AllocZeroed((nuint)sizeof(CustomOperator));
            custom->Version = OperatorVersion;
            custom->CreateKernel = &CreateKernel;
            custom->GetName = &GetName;
            custom->GetExecutionProviderType = &GetExecutionProviderType;
            custom->GetInputType = &GetInputType;
            custom->GetInputTypeCount = &GetInputTypeCount;
            custom->GetOutputType = &GetOutputType;
            custom->GetOutputTypeCount = &GetOutputTypeCount;
            custom->KernelCompute = &Compute;
            custom->KernelDestroy = &Destroy;
            custom->GetInputCharacteristic = &AlwaysZero;
            custom->GetOutputCharacteristic = &AlwaysZero;
            custom->GetInputMemoryType = &AlwaysZero;
            custom->Index = index;
            custom->Name = Marshal.StringToCoTaskMemUTF8(FusedOperators.All[index].Name);
            Check(((delegate* unmanaged[Cdecl]<nint, CustomOperator*, nint>)Functions[27])(domain, custom)); // CustomOpDomain_Add
        }
        return domain;
    }

    private static FusedOperator Operator(CustomOperator* custom) => FusedOperators.All[custom->Index];

    [UnmanagedCallersOnly(CallConvs = [typeof(CallConvCdecl)])]
    private static CustomOperator* CreateKernel(CustomOperator* custom, nint api, nint info) => custom;

    [UnmanagedCallersOnly(CallConvs = [typeof(CallConvCdecl)])]
    private static nint GetName(CustomOperator* custom) => custom->Name;

    /// <summary>None stands for the processor.</summary>
    [UnmanagedCallersOnly(CallConvs = [typeof(CallConvCdecl)])]
    private static nint GetExecutionProviderType(CustomOperator* custom) => 0;

    [UnmanagedCallersOnly(CallConvs = [typeof(CallConvCdecl)])]
    private static int GetInputType(CustomOperator* custom, nuint index) => (int)Operator(custom).Inputs[(int)index];

    [UnmanagedCallersOnly(CallConvs = [typeof(CallConvCdecl)])]
    private static nuint GetInputTypeCount(CustomOperator* custom) => (nuint)Operator(custom).Inputs.Length;

    [UnmanagedCallersOnly(CallConvs = [typeof(CallConvCdecl)])]
    private static int GetOutputType(CustomOperator* custom, nuint index) => (int)Operator(custom).Outputs[(int)index].Type;

    [UnmanagedCallersOnly(CallConvs = [typeof(CallConvCdecl)])]
    private static nuint GetOutputTypeCount(CustomOperator* custom) => (nuint)Operator(custom).Outputs.Length;

    /// <summary>Every input and output is required, and lies in ordinary memory.</summary>
    [UnmanagedCallersOnly(CallConvs = [typeof(CallConvCdecl)])]
    private static int AlwaysZero(CustomOperator* custom, nuint index) => 0;

    [UnmanagedCallersOnly(CallConvs = [typeof(CallConvCdecl)])]
    private static void Destroy(CustomOperator* custom)
    {
    }

    [UnmanagedCallersOnly(CallConvs = [typeof(CallConvCdecl)])]
    private static void Compute(CustomOperator* custom, nint context)
    {
        FusedOperator fused = Operator(custom);
        RowArguments arguments = default;
        long* shape = stackalloc long[8];
        int rank = 0;
        for (int i = 0; i < fused.Inputs.Length; i++)
        {
            nint value;
            Check(((delegate* unmanaged[Cdecl]<nint, nuint, nint*, nint>)Functions[90])(context, (nuint)i, &value)); // KernelContext_GetInput
            int inputRank = ReadShape(value, i == 0 ? shape : null, out int width);
            if (i == 0) rank = inputRank;
            arguments.Inputs[i] = Data(value);
            arguments.InputWidths[i] = width;
        }
        long rows = 1;
        for (int axis = 0; axis < rank - 1; axis++) rows *= shape[axis];
        (arguments.InputCount, arguments.Rows, arguments.Length) =
            (fused.Inputs.Length, checked((int)rows), rank > 1 ? checked((int)shape[rank - 2]) : 1);
        for (int i = 0; i < fused.Outputs.Length; i++)
        {
            int width = fused.Outputs[i].Width(arguments);
            shape[rank - 1] = width;
            nint value;
            Check(((delegate* unmanaged[Cdecl]<nint, nuint, long*, nuint, nint*, nint>)Functions[91])( // KernelContext_GetOutput
                context, (nuint)i, shape, (nuint)rank, &value));
            arguments.Outputs[i] = Data(value);
            arguments.OutputWidths[i] = width;
        }
        if (rows == 0) return;
        arguments.Operator = custom->Index;
        (arguments.Units, arguments.UnitsPerTask) = fused.UnitsOf(arguments);
        nuint tasks = (nuint)((arguments.Units + arguments.UnitsPerTask - 1) / arguments.UnitsPerTask);
        if (tasks == 1) fused.Run(arguments, 0, arguments.Units);
        else Check(ParallelFor(context, &ComputeTask, tasks, &arguments));
    }

    private static nint ParallelFor(nint context, delegate* unmanaged[Cdecl]<RowArguments*, nuint, void> task, nuint tasks, RowArguments* arguments)
    {
        nint function = Functions[274]; // KernelContext_ParallelFor
        return ((delegate* unmanaged[Cdecl]<
            nint, delegate* unmanaged[Cdecl]<RowArguments*, nuint, void>, nuint, nuint, RowArguments*, nint>)function)(
            context, task, tasks, 0, arguments);
    }

    [UnmanagedCallersOnly(CallConvs = [typeof(CallConvCdecl)])]
    private static void ComputeTask(RowArguments* arguments, nuint task)
    {
        int begin = (int)task * arguments->UnitsPerTask;
        FusedOperators.All[arguments->Operator].Run(*arguments, begin, Math.Min(arguments->Units, begin + arguments->UnitsPerTask));
    }

    private static nint Data(nint value)
    {
        nint data;
        Check(((delegate* unmanaged[Cdecl]<nint, nint*, nint>)Functions[51])(value, &data)); // GetTensorMutableData
        return data;
    }

    private static int ReadShape(nint value, long* destination, out int width)
    {
        nint info;
        Check(((delegate* unmanaged[Cdecl]<nint, nint*, nint>)Functions[65])(value, &info)); // GetTensorTypeAndShape
        nuint rank;
        Check(((delegate* unmanaged[Cdecl]<nint, nuint*, nint>)Functions[61])(info, &rank)); // GetDimensionsCount
        long* shape = stackalloc long[8];
        Check(((delegate* unmanaged[Cdecl]<nint, long*, nuint, nint>)Functions[62])(info, shape, rank)); // GetDimensions
        ((delegate* unmanaged[Cdecl]<nint, void>)Functions[99])(info); // ReleaseTensorTypeAndShapeInfo
        if (destination is not null) new ReadOnlySpan<long>(shape, (int)rank).CopyTo(new Span<long>(destination, 8));
        width = rank == 0 ? 1 : checked((int)shape[rank - 1]);
        return (int)rank;
    }

    /// <summary>OrtCustomOp up to version 15, then what is ours.</summary>
    [StructLayout(LayoutKind.Sequential)]
    private struct CustomOperator
    {
        public uint Version;
        public delegate* unmanaged[Cdecl]<CustomOperator*, nint, nint, CustomOperator*> CreateKernel;
        public delegate* unmanaged[Cdecl]<CustomOperator*, nint> GetName;
        public delegate* unmanaged[Cdecl]<CustomOperator*, nint> GetExecutionProviderType;
        public delegate* unmanaged[Cdecl]<CustomOperator*, nuint, int> GetInputType;
        public delegate* unmanaged[Cdecl]<CustomOperator*, nuint> GetInputTypeCount;
        public delegate* unmanaged[Cdecl]<CustomOperator*, nuint, int> GetOutputType;
        public delegate* unmanaged[Cdecl]<CustomOperator*, nuint> GetOutputTypeCount;
        public delegate* unmanaged[Cdecl]<CustomOperator*, nint, void> KernelCompute;
        public delegate* unmanaged[Cdecl]<CustomOperator*, void> KernelDestroy;
        public delegate* unmanaged[Cdecl]<CustomOperator*, nuint, int> GetInputCharacteristic;
        public delegate* unmanaged[Cdecl]<CustomOperator*, nuint, int> GetOutputCharacteristic;
        public delegate* unmanaged[Cdecl]<CustomOperator*, nuint, int> GetInputMemoryType;

        /// <summary>Fields of variadic operators and of later versions, which stay empty.</summary>
        public fixed ulong Unused[20];

        public int Index;
        public nint Name;
    }
}
