"""Grad-CAM of a small network by PyTorch in float64: what GradCamTests expects. Run: python3 grad_cam.py"""

import math

import torch
from torch.nn import functional as F


def numbers(count, phase, *shape):
    return torch.tensor([math.sin(0.37 * i + phase) for i in range(count)], dtype=torch.float64).reshape(shape)


x = torch.tensor([math.cos(0.1 * i) for i in range(192)], dtype=torch.float64).reshape(1, 3, 8, 8)
w1, w2, fc = numbers(108, 0, 4, 3, 3, 3), numbers(180, 1, 5, 4, 3, 3), numbers(15, 2, 5, 3)
a = F.relu(F.conv2d(F.relu(F.conv2d(x, w1, padding=1)), w2, stride=2, padding=1)).detach().requires_grad_()
logits = a.mean(dim=(2, 3)) @ fc
for label in range(3):
    gradient = torch.autograd.grad(logits[0, label], a, retain_graph=True)[0]
    cam = F.relu((gradient.mean(dim=(2, 3), keepdim=True) * a).sum(dim=1))[0]
    cam = cam / cam.max() if cam.max() > 0 else cam
    print(label, ", ".join(f"{v:.6f}f" for v in cam.flatten().tolist()))
