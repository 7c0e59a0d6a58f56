using System.Runtime.InteropServices;
using System.Runtime.Intrinsics.Arm;
using System.Runtime.Intrinsics.X86;
using Microsoft.ML.OnnxRuntime;
using MlNetTransfer.Onnx.Proto;
using MlNetTransfer.Onnx.Runtime;

namespace MlNetTransfer.Onnx.Kernels;

/// <summary>
/// The kernels, as operators that ONNX Runtime knows: each has any number of float32 inputs and outputs.
/// </summary>
internal static unsafe class KernelRegistry
{
    /// <summary>The domain of the operators.</summary>
    public const string Domain = "mlnettransfer";

    /// <summary>Changes when a kernel, or the pass that puts them into a graph, gives other bits.</summary>
    public const int Revision = 2;

    private const string Sizes = "sizes",
        Numbers = "values";

    private static readonly KernelKind[] Kinds =
    [
        ConvWeightGradient.Kind,
        DepthwiseConvolution.Kind,
        DepthwiseGradients.Kind,
        DepthwiseInputGradient.Kind,
        DepthwiseWeightGradient.Kind,
        Elementwise.Kind,
        MaxPoolInputGradient.Kind,
    ];

    private static readonly nint SizesText = Marshal.StringToCoTaskMemUTF8(Sizes),
        NumbersText = Marshal.StringToCoTaskMemUTF8(Numbers);

    private static readonly Lazy<nint> Registered = new(Register);

    /// <summary>
    /// Whether graphs should have them: ONNX Runtime takes operators of one's own, and the processor has vectors that
    /// make them fast.
    /// </summary>
    public static bool IsAvailable { get; } =
        KernelApi.IsAvailable && ((Avx2.IsSupported && Fma.IsSupported) || AdvSimd.Arm64.IsSupported);

    /// <summary>Lets a session run graphs that have them.</summary>
    public static void AddTo(SessionOptions options)
    {
        if (KernelApi.IsAvailable)
            KernelApi.AddDomain(options, Registered.Value);
    }

    /// <summary>A node of a kind.</summary>
    /// <param name="kind">Which.</param>
    /// <param name="inputs">Its inputs.</param>
    /// <param name="outputs">Its outputs.</param>
    /// <param name="sizes">Whole numbers that the kernel is made from.</param>
    /// <param name="values">Other numbers.</param>
    public static NodeProto Node(
        KernelKind kind,
        IEnumerable<string> inputs,
        IReadOnlyList<string> outputs,
        ReadOnlySpan<long> sizes,
        ReadOnlySpan<float> values
    ) =>
        new()
        {
            OpType = kind.Name,
            Domain = Domain,
            Name = $"{Domain}/{outputs[0]}",
            Input = { inputs },
            Output = { outputs },
            // ONNX Runtime does not read an attribute of no numbers.
            Attribute = { Attributes.Of(Sizes, sizes), Attributes.Of(Numbers, values.IsEmpty ? [0f] : values) },
        };

    /// <summary>What <see cref="Node"/> was given.</summary>
    public static (long[] Sizes, float[] Values) AttributesOf(NodeProto node) =>
        ([.. node.Attribute[0].Ints], [.. node.Attribute[1].Floats]);

    private static nint Register()
    {
        nint domain = KernelApi.CreateDomain(Domain);
        for (int i = 0; i < Kinds.Length; i++)
        {
            var definition = (Definition*)NativeMemory.AllocZeroed((nuint)sizeof(Definition));
            *definition = new Definition
            {
                Version = KernelApi.Version - 1,
                Name = &Name,
                Provider = &Provider,
                InputType = &Type,
                InputCount = &Count,
                OutputType = &Type,
                OutputCount = &Count,
                Destroy = &Destroy,
                InputForm = &Variadic,
                OutputForm = &Variadic,
                InputMemory = &Memory,
                LeastInputs = &One,
                AreInputsAlike = &One,
                LeastOutputs = &One,
                AreOutputsAlike = &One,
                Create = &Create,
                Compute = &Compute,
                FirstVersion = &One,
                LastVersion = &LastVersion,
                Kind = i,
                NameText = Marshal.StringToCoTaskMemUTF8(Kinds[i].Name),
            };
            KernelApi.AddOperator(domain, (nint)definition);
        }

        // ONNX Runtime notes a new domain when the first session that has it is opened, and two threads that do so at
        // the same time are in each other's way.
        OnnxModel any = new GraphBuilder().Input("x", [1]).Node("Identity", ["x"], ["y"]).Output("y", [1]).Build();
        OrtSettings settings = OrtSettings.OneThread with
        {
            Provider = options => KernelApi.AddDomain(options, domain),
        };
        new OrtSession(any.ToBytes(), settings, "a graph of one node").Dispose();
        return domain;
    }

    [UnmanagedCallersOnly]
    private static nint Create(Definition* definition, nint api, nint node, nint* kernel)
    {
        try
        {
            Kernel made = Kinds[definition->Kind]
                .Make(KernelApi.Longs(node, SizesText), KernelApi.Floats(node, NumbersText));
            *kernel = GCHandle.ToIntPtr(GCHandle.Alloc(made));
            return 0;
        }
        catch (Exception e)
        {
            return KernelApi.Failure(e.Message);
        }
    }

    [UnmanagedCallersOnly]
    private static nint Compute(nint kernel, nint context)
    {
        try
        {
            var made = (Kernel)GCHandle.FromIntPtr(kernel).Target!;
            made.Run(new KernelRun(context, made));
            return 0;
        }
        catch (Exception e)
        {
            return KernelApi.Failure(e.Message);
        }
    }

    [UnmanagedCallersOnly]
    private static void Destroy(nint kernel) => GCHandle.FromIntPtr(kernel).Free();

    [UnmanagedCallersOnly]
    private static nint Name(Definition* definition) => definition->NameText;

    /// <summary>Null: that of the CPU.</summary>
    [UnmanagedCallersOnly]
    private static nint Provider(Definition* definition) => 0;

    [UnmanagedCallersOnly]
    private static int Type(Definition* definition, nuint index) => 1;

    [UnmanagedCallersOnly]
    private static nuint Count(Definition* definition) => 1;

    [UnmanagedCallersOnly]
    private static int Variadic(Definition* definition, nuint index) => 2;

    [UnmanagedCallersOnly]
    private static int Memory(Definition* definition, nuint index) => 0;

    [UnmanagedCallersOnly]
    private static int One(Definition* definition) => 1;

    [UnmanagedCallersOnly]
    private static int LastVersion(Definition* definition) => int.MaxValue;

    /// <summary>ONNX Runtime's OrtCustomOp as of version 17, and what is ours after it.</summary>
    [StructLayout(LayoutKind.Sequential)]
    private struct Definition
    {
        public uint Version;
        public nint CreateBefore16;
        public delegate* unmanaged<Definition*, nint> Name;
        public delegate* unmanaged<Definition*, nint> Provider;
        public delegate* unmanaged<Definition*, nuint, int> InputType;
        public delegate* unmanaged<Definition*, nuint> InputCount;
        public delegate* unmanaged<Definition*, nuint, int> OutputType;
        public delegate* unmanaged<Definition*, nuint> OutputCount;
        public nint ComputeBefore16;
        public delegate* unmanaged<nint, void> Destroy;
        public delegate* unmanaged<Definition*, nuint, int> InputForm;
        public delegate* unmanaged<Definition*, nuint, int> OutputForm;
        public delegate* unmanaged<Definition*, nuint, int> InputMemory;
        public delegate* unmanaged<Definition*, int> LeastInputs;
        public delegate* unmanaged<Definition*, int> AreInputsAlike;
        public delegate* unmanaged<Definition*, int> LeastOutputs;
        public delegate* unmanaged<Definition*, int> AreOutputsAlike;
        public delegate* unmanaged<Definition*, nint, nint, nint*, nint> Create;
        public delegate* unmanaged<nint, nint, nint> Compute;
        public nint InferShape;
        public delegate* unmanaged<Definition*, int> FirstVersion;
        public delegate* unmanaged<Definition*, int> LastVersion;

        public int Kind;
        public nint NameText;
    }
}
