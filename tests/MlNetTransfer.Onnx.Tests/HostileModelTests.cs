using MlNetTransfer.Onnx.Proto;
using MlNetTransfer.Tests.Shared;

namespace MlNetTransfer.Onnx.Tests;

/// <summary>Files whose parts contradict each other or grow without end: each is refused by name, at once.</summary>
[TestClass]
public sealed class HostileModelTests
{
    private static ModelProto Plain() =>
        new GraphBuilder()
            .Input("x", ["N", 3])
            .Initializer("w", [1f, 2, 3], 3)
            .Node("Mul", ["x", "w"], ["y"])
            .Output("y", ["N", 3])
            .Build(17)
            .ToProto();

    private static string Refused(Action<ModelProto> harm)
    {
        ModelProto model = Plain();
        harm(model);
        using var folder = new TempFolder();
        string file = folder.Write("harm.onnx", Google.Protobuf.MessageExtensions.ToByteArray(model));
        string message = Assert.ThrowsExactly<GraphException>(() => OnnxModel.Load(file)).Message;
        StringAssert.Contains(message, file);
        return message;
    }

    [TestMethod]
    public void Load_FunctionsThatCallTheNextTwice_AreCountedNotWrittenOut()
    {
        Assert.Contains("more than 1,000,000 nodes", Refused(model => Functions(model, 30)));

        ModelProto few = Plain();
        Functions(few, 5);
        _ = OnnxModel.Parse(Google.Protobuf.MessageExtensions.ToByteArray(few));

        static void Functions(ModelProto model, int count)
        {
            for (int f = 0; f < count; f++)
            {
                var function = new FunctionProto
                {
                    Domain = "own",
                    Name = $"f{f}",
                    Input = { "a" },
                    Output = { "c" },
                    OpsetImport = { new OperatorSetIdProto { Version = 17 } },
                };
                (string domain, string type) = f + 1 < count ? ("own", $"f{f + 1}") : ("", "Neg");
                function.Node.Add(Node(domain, type, "a", "b"));
                function.Node.Add(Node(domain, type, "b", "c"));
                model.Functions.Add(function);
            }

            model.OpsetImport.Add(new OperatorSetIdProto { Domain = "own", Version = 1 });
            model.Graph.Node.Add(Node("own", "f0", "y", "z"));
        }
    }

    [TestMethod]
    public void Load_FunctionThatCallsItself_IsRefused() =>
        Assert.Contains(
            "'f' that calls itself",
            Refused(model =>
            {
                model.Functions.Add(
                    new FunctionProto
                    {
                        Domain = "own",
                        Name = "f",
                        Input = { "a" },
                        Output = { "b" },
                        Node = { Node("own", "f", "a", "b") },
                    }
                );
                model.Graph.Node.Add(Node("own", "f", "y", "z"));
            })
        );

    [TestMethod]
    public void Load_WhatContradictsItself_IsNamed()
    {
        Assert.Contains(
            "two constants called 'w'",
            Refused(model => model.Graph.Initializer.Add(model.Graph.Initializer[0].Clone()))
        );
        Assert.Contains(
            "input 2 of Conv 'short' is missing; 2 were expected",
            Refused(model => model.Graph.Node.Add(Node("", "Conv", "x", "z", "short")))
        );
        Assert.Contains(
            "input 2 of Gemm 'empty' is missing",
            Refused(model =>
            {
                NodeProto node = Node("", "Gemm", "x", "z", "empty");
                node.Input.AddRange(["", "w"]);
                model.Graph.Node.Add(node);
            })
        );
        Assert.Contains(
            "without an output, Relu 'mute'",
            Refused(model =>
                model.Graph.Node.Add(
                    new NodeProto
                    {
                        OpType = "Relu",
                        Name = "mute",
                        Input = { "x" },
                    }
                )
            )
        );
        Assert.Contains("version 99 of the ONNX file format", Refused(model => model.IrVersion = 99));
    }

    [TestMethod]
    public void RequireBounded_LoopsAndHugeConstants_AreNamed()
    {
        Assert.Contains("has a loop", Bounded(model => model.Graph.Node.Add(Node("", "Loop", "x", "z"))));
        Assert.Contains("has a loop", Bounded(model => model.Graph.Node.Add(Node("", "Scan", "x", "z"))));
        string huge = Bounded(model =>
        {
            model.Graph.Initializer.Add(TensorData.Longs("size", [6, 1 << 28], 2));
            model.Graph.Node.Add(Node("", "ConstantOfShape", "size", "z"));
        });
        Assert.Contains("more than 1 GiB", huge);
        Assert.Contains("[6, 268435456]", huge);
        string listed = Bounded(model =>
        {
            NodeProto sizes = new() { OpType = "Constant", Output = { "size" } };
            sizes.Attribute.Add(Attributes.Of("value_ints", [1L << 20, 1L << 20]));
            model.Graph.Node.Add(sizes);
            model.Graph.Node.Add(Node("", "ConstantOfShape", "size", "z"));
        });
        Assert.Contains("more than 1 GiB", listed);
        ModelProto small = Plain();
        small.Graph.Initializer.Add(TensorData.Longs("size", [6, 7], 2));
        small.Graph.Node.Add(Node("", "ConstantOfShape", "size", "z"));
        ModelStructure.RequireBounded(small, "It");

        static string Bounded(Action<ModelProto> harm)
        {
            ModelProto model = Plain();
            harm(model);
            return Assert.ThrowsExactly<GraphException>(() => ModelStructure.RequireBounded(model, "It")).Message;
        }
    }

    /// <summary>Scatter was renamed; its values stay.</summary>
    [TestMethod]
    public void UpgradeOpset_Scatter_GivesTheSameNumbers()
    {
        OnnxModel before = new GraphBuilder()
            .Input("x", [1, 3])
            .Initializer("place", [2L], 1, 1)
            .Initializer("value", [9f], 1, 1)
            .Node("Scatter", ["x", "place", "value"], ["y"], Attributes.Of("axis", 1))
            .Output("y", [1, 3])
            .Build(10);
        OnnxModel after = before.UpgradeOpset(13);
        Assert.AreEqual("ScatterElements", after.Nodes.Single().OpType);
        CollectionAssert.AreEqual((float[])[1, 2, 9], Ort.Run(after, ("x", [1, 2, 3], [1, 3]))["y"]);
    }

    private static NodeProto Node(string domain, string type, string input, string output, string name = "") =>
        new()
        {
            Domain = domain,
            OpType = type,
            Name = name,
            Input = { input },
            Output = { output },
        };
}
