namespace MlNetTransfer.Backbones;

/// <summary>What runs the graphs.</summary>
public enum ExecutionProvider
{
    /// <summary>The processor's cores. Always there; results are bit-identical for any number of workers.</summary>
    Cpu,

    /// <summary>An NVIDIA GPU by CUDA and cuDNN.</summary>
    Cuda,

    /// <summary>An NVIDIA GPU by TensorRT, which compiles a graph at its first use.</summary>
    TensorRt,
}
