using System.Runtime.InteropServices;
using Microsoft.ML.OnnxRuntime;

namespace MlNetTransfer.Onnx.Kernels;

/// <summary>
/// The functions of ONNX Runtime's C API that operators of one's own need, which its package for .NET does not show.
/// </summary>
/// <remarks>
/// They are taken from the library that the package has loaded, by their place in the table <c>OrtApi</c>, which only
/// grows at its end.
/// </remarks>
internal static unsafe class KernelApi
{
    /// <summary>Version of the C API that has all of them.</summary>
    public const uint Version = 18;

    private static readonly nint* Table = Load();

    /// <summary>Whether the library has them.</summary>
    public static bool IsAvailable => Table is not null;

    /// <summary>An error that ONNX Runtime takes.</summary>
    public static nint Failure(string message)
    {
        const int Fail = 1;
        nint text = Marshal.StringToCoTaskMemUTF8(message);
        nint status = ((delegate* unmanaged<int, nint, nint>)Table[Place.CreateStatus])(Fail, text);
        Marshal.FreeCoTaskMem(text);
        return status;
    }

    /// <summary>A set of operators under a name, which lives as long as the process.</summary>
    public static nint CreateDomain(string name)
    {
        // ONNX Runtime keeps a copy of the name.
        nint text = Marshal.StringToCoTaskMemUTF8(name),
            domain;
        Require(((delegate* unmanaged<nint, nint*, nint>)Table[Place.CreateCustomOpDomain])(text, &domain));
        Marshal.FreeCoTaskMem(text);
        return domain;
    }

    public static void AddOperator(nint domain, nint definition) =>
        Require(((delegate* unmanaged<nint, nint, nint>)Table[Place.AddOperator])(domain, definition));

    public static void AddDomain(SessionOptions options, nint domain) =>
        Require(((delegate* unmanaged<nint, nint, nint>)Table[Place.AddDomain])(options.DangerousGetHandle(), domain));

    public static long[] Longs(nint node, nint name) => Attribute<long>(Place.AttributeLongs, node, name);

    public static float[] Floats(nint node, nint name) => Attribute<float>(Place.AttributeFloats, node, name);

    public static float* Input(nint context, int index)
    {
        nint value;
        Require(
            ((delegate* unmanaged<nint, nuint, nint*, nint>)Table[Place.KernelInput])(context, (nuint)index, &value)
        );
        return Data(value);
    }

    public static float* Output(nint context, int index, ReadOnlySpan<long> shape)
    {
        nint value;
        fixed (long* sizes = shape)
            Require(
                ((delegate* unmanaged<nint, nuint, long*, nuint, nint*, nint>)Table[Place.KernelOutput])(
                    context,
                    (nuint)index,
                    sizes,
                    (nuint)shape.Length,
                    &value
                )
            );
        return Data(value);
    }

    /// <summary>Runs parts on the threads of the session; returns when all are done.</summary>
    public static void Parallel(nint context, int parts, delegate* unmanaged<nint, nuint, void> part, nint state) =>
        Require(
            (
                (delegate* unmanaged<nint, delegate* unmanaged<nint, nuint, void>, nuint, nuint, nint, nint>)
                    Table[Place.ParallelFor]
            )(context, part, (nuint)parts, 0, state)
        );

    private static T[] Attribute<T>(int place, nint node, nint name)
        where T : unmanaged
    {
        var read = (delegate* unmanaged<nint, nint, T*, nuint*, nint>)Table[place];
        nuint count = 0;
        Require(read(node, name, null, &count));
        T[] values = new T[count];
        fixed (T* into = values)
            Require(read(node, name, into, &count));
        return values;
    }

    private static float* Data(nint value)
    {
        float* data;
        Require(((delegate* unmanaged<nint, float**, nint>)Table[Place.TensorData])(value, &data));
        return data;
    }

    private static void Require(nint status)
    {
        if (status == 0)
            return;
        string said = Marshal.PtrToStringUTF8(((delegate* unmanaged<nint, nint>)Table[Place.ErrorMessage])(status))!;
        ((delegate* unmanaged<nint, void>)Table[Place.ReleaseStatus])(status);
        throw new GraphException($"ONNX Runtime {OrtEnv.Instance().GetVersionString()}: {said}");
    }

    private static nint* Load()
    {
        string version = OrtEnv.Instance().GetVersionString();
        if (
            !NativeLibrary.TryLoad("onnxruntime", typeof(SessionOptions).Assembly, null, out nint library)
            || !NativeLibrary.TryGetExport(library, "OrtGetApiBase", out nint entry)
        )
            return null;
        // The base is a table of two functions: the API of a version, and the version of the library as text.
        nint* start = ((delegate* unmanaged<nint*>)entry)();
        // Another copy than the one that the package has loaded would be handed objects that are not its own.
        return Marshal.PtrToStringUTF8(((delegate* unmanaged<nint>)start[1])()) == version
            ? ((delegate* unmanaged<uint, nint*>)start[0])(Version)
            : null;
    }

    /// <summary>Places in the table, in functions from its start.</summary>
    private static class Place
    {
        public const int CreateStatus = 0,
            ErrorMessage = 2,
            CreateCustomOpDomain = 26,
            AddOperator = 27,
            AddDomain = 28,
            TensorData = 51,
            KernelInput = 90,
            KernelOutput = 91,
            ReleaseStatus = 93,
            AttributeFloats = 162,
            AttributeLongs = 163,
            ParallelFor = 274;
    }
}
