using static MlNetTransfer.Onnx.Tests.Differentiation.GradientCase;

namespace MlNetTransfer.Onnx.Tests.Differentiation.Operators;

[TestClass]
public sealed class MatrixGradientTests
{
    [TestMethod]
    public void Backward_AgainstTorch_Agrees() =>
        GradientCheck.AgainstTorch(
            Node("matmul", "MatMul", "x @ w", ["x:3,4", "w:4,5"]),
            Node("matmul of a batch with one matrix", "MatMul", "x @ w", ["x:2,3,4", "w:4,5"]),
            Node("matmul of two batches", "MatMul", "x @ x1", ["x:2,3,4", "x1:2,4,5"]),
            Node("matmul of broadcast batches", "MatMul", "x @ w", ["x:2,1,3,4", "w:6,4,5"]),
            Node("matmul of one matrix with a batch", "MatMul", "w @ x", ["w:3,4", "x:2,4,5"]) with
            {
                Tensors = [("x", [2, 4, 5]), ("w", [3, 4])],
            },
            Node("matmul with a vector", "MatMul", "x @ w", ["x:2,3,4", "w:4"]),
            Node("matmul of a vector", "MatMul", "w @ x", ["w:3", "x:2,3,4"]) with
            {
                Tensors = [("x", [2, 3, 4]), ("w", [3])],
            },
            Node("gemm", "Gemm", "x @ w + b", ["x:3,4", "w:4,5", "b:5"]),
            Node("gemm without bias", "Gemm", "x @ w", ["x:3,4", "w:4,5"]),
            Node(
                "gemm transposed, scaled",
                "Gemm",
                "0.5 * (x.T @ w.T) + 2 * b",
                ["x:3,4", "w:5,3", "b:4,1"],
                Attributes.Of("transA", 1),
                Attributes.Of("transB", 1),
                Attributes.Of("alpha", 0.5f),
                Attributes.Of("beta", 2f)
            ),
            Node("gemm, A transposed", "Gemm", "x.T @ w", ["x:3,4", "w:3,5"], Attributes.Of("transA", 1)),
            Node("gemm, B transposed", "Gemm", "x @ w.T + b", ["x:3,4", "w:5,4", "b:1"], Attributes.Of("transB", 1))
        );
}
