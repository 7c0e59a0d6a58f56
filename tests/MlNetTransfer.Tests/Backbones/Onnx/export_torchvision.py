"""Exports architectures of torchvision with random weights to ONNX, and what PyTorch computes inside them: the oracle of ArchitectureTests.

python3 export_torchvision.py FOLDER

Per architecture NAME: NAME.onnx; NAME.input, float32 [3, size, size]; NAME.facts, the side and the width that the last layer takes;
NAME.features: every module's output of rank 4 (averaged over its positions) or 2, and every linear layer's input, as int32 width and float32 values, one after another.
Those in DYNAMIC are exported with a dynamic batch, the others with a batch of 1. The fully connected layers of AlexNet and VGG are narrowed to 64: they need
the full 224 pixels, and their random weights would be half a gigabyte.
"""
import os
import struct
import sys
import warnings

import torch
from torch import nn
from torchvision import models as tv
from torchvision.models.convnext import CNBlockConfig, ConvNeXt

warnings.simplefilter("ignore")
torch.manual_seed(1)
torch.set_num_threads(2)
folder = sys.argv[1]


class Separable(nn.Sequential):
    def __init__(self, inputs, outputs):
        super().__init__(nn.ReLU(), nn.Conv2d(inputs, inputs, 3, padding=1, groups=inputs, bias=False), nn.Conv2d(inputs, outputs, 1, bias=False), nn.BatchNorm2d(outputs))


class XceptionBlock(nn.Module):
    def __init__(self, inputs, outputs):
        super().__init__()
        self.path = nn.Sequential(Separable(inputs, outputs), Separable(outputs, outputs), nn.MaxPool2d(3, 2, 1))
        self.skip = nn.Sequential(nn.Conv2d(inputs, outputs, 1, 2, bias=False), nn.BatchNorm2d(outputs))

    def forward(self, x):
        return self.path(x) + self.skip(x)


def xception():
    return nn.Sequential(nn.Conv2d(3, 16, 3, 2, 1, bias=False), nn.BatchNorm2d(16), nn.ReLU(), nn.Conv2d(16, 32, 3, 1, 1, bias=False), nn.BatchNorm2d(32), nn.ReLU(),
                         XceptionBlock(32, 64), XceptionBlock(64, 96), XceptionBlock(96, 160), XceptionBlock(160, 224), Separable(224, 320), nn.ReLU(),
                         nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(320, 17))


def narrow(model):
    linear = [m for m in model.classifier if isinstance(m, nn.Linear)]
    first, last = linear[0].in_features, linear[-1].out_features
    model.classifier = nn.Sequential(nn.Linear(first, 64), nn.ReLU(), nn.Dropout(), nn.Linear(64, 64), nn.ReLU(), nn.Dropout(), nn.Linear(64, last))
    return model


def convnext():
    return ConvNeXt([CNBlockConfig(24, 48, 1), CNBlockConfig(48, 96, 2), CNBlockConfig(96, 192, 3), CNBlockConfig(192, None, 1)], layer_scale=0.5, num_classes=30)


class Narrowed:
    """Makes AlexNet and VGG without ever making their hundred million weights."""

    def __enter__(self):
        self.init = nn.Linear.reset_parameters
        nn.Linear.reset_parameters = lambda layer: None

    def __exit__(self, *_):
        nn.Linear.reset_parameters = self.init


def narrowed(make):
    with Narrowed():
        model = make()
    return narrow(model)


ARCHITECTURES = [
    ("alexnet", 224, lambda: narrowed(lambda: tv.alexnet(num_classes=50))),
    ("vgg11_bn", 224, lambda: narrowed(lambda: tv.vgg11_bn(init_weights=False, num_classes=50))),
    ("resnet18", 64, lambda: tv.resnet18(num_classes=50)),
    ("resnet50", 64, lambda: tv.resnet50(num_classes=50)),
    ("densenet121", 96, lambda: tv.densenet121(num_classes=50)),
    ("inception_v3", 96, lambda: tv.inception_v3(aux_logits=False, init_weights=False, transform_input=True, num_classes=50)),
    ("googlenet", 96, lambda: tv.googlenet(aux_logits=False, init_weights=False, num_classes=50)),
    ("shufflenet_v2", 64, lambda: tv.shufflenet_v2_x0_5(num_classes=50)),
    ("shufflenet_v2_dynamic", 64, lambda: tv.shufflenet_v2_x0_5(num_classes=50)),
    ("squeezenet1_1", 96, lambda: tv.squeezenet1_1(num_classes=50)),
    ("mobilenet_v2", 96, lambda: tv.mobilenet_v2(num_classes=50)),
    ("efficientnet_b0", 64, lambda: tv.efficientnet_b0(num_classes=50)),
    ("mobilenet_v3_small", 64, lambda: tv.mobilenet_v3_small(num_classes=50)),
    ("convnext", 64, convnext),
    ("xception", 96, xception),
    ("mnasnet", 64, lambda: tv.mnasnet0_5(num_classes=50)),
    ("regnet", 64, lambda: tv.regnet_y_400mf(num_classes=50)),
]

DYNAMIC = {"vgg11_bn", "resnet50", "inception_v3", "shufflenet_v2_dynamic", "efficientnet_b0", "convnext", "mnasnet"}


def export(index, name, size, make):
    model = make().eval()
    for module in model.modules():
        if isinstance(module, nn.BatchNorm2d):  # statistics that are not the identity, so that a lost batch norm shows
            module.running_mean.normal_(0, 0.1)
            module.running_var.uniform_(0.5, 1.5)
    image = torch.randn(1, 3, size, size)
    features, classifier, kept = [], [], []

    def hook(module, inputs, output):
        if not isinstance(output, torch.Tensor) or output.dim() not in (2, 4):
            return
        features.append((output.mean((2, 3)) if output.dim() == 4 else output)[0].clone())
        if isinstance(module, nn.Linear):
            features.append(inputs[0].reshape(-1, inputs[0].shape[-1])[0].clone())
        if isinstance(module, (nn.Linear, nn.Conv2d)):
            classifier.append(inputs[0].shape[1 if inputs[0].dim() == 4 else -1])

    for module in model.modules():
        kept.append(module.register_forward_hook(hook))
    with torch.no_grad():
        model(image)
        for handle in kept:
            handle.remove()
        dynamic = {"x": {0: "batch"}, "y": {0: "batch"}} if name in DYNAMIC else None
        torch.onnx.export(model, image, os.path.join(folder, name + ".onnx"), input_names=["x"], output_names=["y"], dynamic_axes=dynamic, opset_version=13 + index % 3)
    image.numpy().tofile(os.path.join(folder, name + ".input"))
    with open(os.path.join(folder, name + ".facts"), "w") as file:
        file.write(f"{size} {classifier[-1]}")
    with open(os.path.join(folder, name + ".features"), "wb") as file:
        for values in features:
            file.write(struct.pack("<i", values.numel()) + values.numpy().astype("<f4").tobytes())


for index, (name, size, make) in enumerate(ARCHITECTURES):
    export(index, name, size, make)
